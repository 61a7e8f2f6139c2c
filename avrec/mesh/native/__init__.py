"""The ray caster: C++17, one extension module per x86 instruction set, picked when first used."""

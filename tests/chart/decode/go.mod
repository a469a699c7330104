// The versions are in newest.mod and oldest.mod.
module turnpike/tests/chart/decode

go 1.26.0

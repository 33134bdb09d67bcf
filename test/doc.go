// Package test holds what proves the house as a whole, and nothing that the
// binary needs: arch_test.go says who may import whom and why; cases/ holds the
// cases of the threat model that need no code; wire/ records what crosses the
// wire; dialectrig/ is what the tests of translations share; faults/ breaks the
// network in between; mutations/ takes guards out; clients/ runs real SDKs
// against the real binary; vectors/ is data that any implementation can read.
package test

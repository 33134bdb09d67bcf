// Package mutations takes the guards out, one at a time, and sees that a test
// misses each. A *.txtar file is one mutation: a comment that says what is no
// longer guarded, a section mutation that names the file and the tests that must
// fail (one of them a line: package, name), and the sections old and new. The
// tests of this package see that each still fits the code; `make mutate` applies
// them, by the go command's -overlay, so that the tree stays as it is. A test that
// fails with the guard too, or that only runs out of time without it, proves
// nothing.
package mutations

// Package wire records what crosses a connection, inside TLS, and looks for
// words in it that should not be there. Every test of the data path has a
// Recorder at its upstream: a test that sends a random word in a prompt gives it
// to Guard, and fails if that word crossed in a form that anybody could read.
//
// Leaks is where to start. Recorder taps the connections of a server of the
// test's own process, Relay stands in front of one in another process.
// Ciphertext is the only form that passes unseen: a word that was compressed
// would too, but sealcar compresses nothing.
package wire

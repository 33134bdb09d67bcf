// Package process runs the real binary for tests: it builds it, starts its
// commands with an environment of their own, reads what they log, and sees that
// they end well. Start at Build and Start. Nothing here knows what sealcar does.
package process

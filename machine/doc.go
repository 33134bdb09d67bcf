// Package machine finds out what this process may use of the machine it runs on,
// a container as a rule, and makes the Go runtime keep to its memory.
//
// Start at Find; Pace has the collector run as often as what is in use asks for. Nothing is refused here: without a limit there is
// none, and a limit that cannot be read is an error beside what was found.
package machine

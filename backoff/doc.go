// Package backoff remembers what failed and says when to try it again, so that
// what is down is neither hammered nor forgotten. Start at Table. Jitter is for all
// that is done again and again.
package backoff

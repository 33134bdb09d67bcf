// Package cases runs the cases of the threat model that need no code: each is one
// *.txtar file that says what an application sends, what the upstream answers,
// and what must come of it. README.md has the format; a new file is all that a new
// case needs. Every case goes through the whole sidecar by every door, and its
// upstream records: a canary in what it received fails the case, whatever else it
// wants. Start at cases_test.go.
package cases

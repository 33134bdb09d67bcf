// Package payload handles the bodies of requests and replies that are read
// whole: before anything of a request leaves, and before anything of a reply
// that is no stream is passed on.
//
// Start at Read, Send and Replace, in the order in which a round tripper uses
// them; Edit (edit.go) is Replace for the documents of a chat's reply, be it a
// stream or not, and Events the same for a stream alone. A body that one of them
// made the next one takes over, so that it is in memory once.
//
// Inside a Budget's Within, or Hold (budget.go), they take memory only as far as the
// budget has it; ReadPart, Reserve, WorkRoom and KeepRoom are for what is held
// besides (lease.go).
//
// What is refused, always as an *apierror.Error: a body over its limit, a body that
// breaks off, a body for which the budget has no room.
package payload

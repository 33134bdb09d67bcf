// Package tools carries function calling inside the content of messages, so
// that a protocol which seals content alone leaves nothing of it in clear.
//
// Start at Transport (transport.go). move (request.go, history.go) takes a
// chat's tools, its choice of them and the calls and results in its history, and
// writes them into messages in the form of form.go; splitter (splitter.go) finds
// the calls in what the model answers, and reply.go makes them tool_calls again,
// in whole replies and in streams. docs/tools.md has the form for people.
//
// What is refused: tools that are no functions, and whatever else cannot be
// written in the form without losing something. What a model writes that is not
// exactly a call of a function it was offered stays text.
package tools

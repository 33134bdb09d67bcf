// Package tools carries function calling inside the content of messages, so
// that a protocol which seals content alone leaves nothing of it in clear.
//
// Start at Transport (transport.go). move (request.go) takes a chat's tools and
// its choice of them, and with history.go the calls and results of its messages;
// messages.go writes them into content in the form of form.go. splitter
// (splitter.go) finds the calls in what the model answers, and reply.go makes
// them tool_calls again, in whole replies and in streams. docs/tools.md has the
// form for people, and what it is worth.
//
// What is refused: tools that are no functions, and whatever else cannot be
// written in the form without losing something. What a model writes that is not
// exactly a call of a function it was offered stays text.
package tools

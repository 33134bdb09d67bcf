// Package dialect is what translations of other APIs into a chat completion and
// back have in common, so that each of them (translate/responses,
// translate/anthropic) says only what is its own.
//
// Start at Carrier (carrier.go): it reads a request, has a Translate make a chat of
// it, sends that by the transport that seals chats, and has a Reply turn what comes
// back into the other API's form, whole or event by event. Object (object.go) is
// how a Translate reads: each member is taken by its name, and End refuses those
// that nobody has taken, so that nothing an application says is lost in silence.
// chat.go has the chat's own types. What a chat is refused for is named by its place
// in the request that it was made of: place.go.
//
// What is refused, all with 400 before anything is sent: whatever is not one strict
// JSON document, parameters that nobody knows, and those that have no counterpart
// in a chat.
package dialect

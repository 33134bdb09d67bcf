// Package dialectrig is what the tests of the translations (translate/anthropic,
// translate/responses) share: a transport that answers chats in place of the one
// that seals them, and a reader of the event streams that come of it.
//
// Start at Answering.
package dialectrig

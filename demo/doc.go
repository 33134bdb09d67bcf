// Package demo shows sealcar at work on one machine: it starts an enclave and a
// sidecar on free loopback ports, sends two chats through an ordinary HTTP
// client, and lays side by side what the application sent, what crossed the
// wire, what the enclave opened and what the application got back. Nothing in it
// is simulated: the wire is recorded inside TLS, at the enclave's listener, which
// is what a TLS terminator would see.
//
// Start at Run (demo.go). It fails if a random word of the prompt is found
// anywhere in the recorded bytes.
package demo

// Package doctor examines the way of a chat from this machine to the model, one
// step at a time: configuration, name, TCP, TLS, clock, certificate endpoint,
// chain, and, if asked to, a sealed chat. Each step says what was seen, and what
// to do next if it is not well. It uses the same parts as the sidecar, so that
// what it sees is what a request would meet.
//
// Start at Examine (doctor.go). Nothing is sent in clear, and no secret is ever
// part of a finding.
package doctor

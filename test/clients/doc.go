// Package clients is tests alone: real applications, on the SDKs, frameworks and
// HTTP clients that people install, run against the real binary. None of them
// knows sealcar.
//
// Each program has chats: what to do comes as JSON on standard input, all else
// from the environment, and what the program saw goes as JSON to standard output.
//
// The matrix has every client by every way to the sidecar in every scenario.
// Start at matrix_test.go; matrix_tables_test.go has its tables, which differ in how
// the sidecar is configured, matrix_clients_test.go and its neighbours the rows,
// python/matrix/cell.py what goes in and out of a program. docs/clients.md is
// written by its run, table by table. openai_test.go, tools_test.go and dialects_test.go go deeper
// with a few SDKs, and in vendor_test.go the vendor's code is our counterpart at
// either end.
//
// `make clients` installs all of it by lock file. What is not installed skips its
// tests; under CI=true they fail.
package clients

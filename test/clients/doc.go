// Package clients proves that applications need not change: programs built on
// the SDKs that people use (openai for Python and Node, openai-go, the vendor's
// own for Python, anthropic for Python and Node), none of which knows sealcar, run against the real binary.
//
// Each program has one chat: the request comes as JSON on standard input, all
// else from the environment, and the reply, as the program saw it, goes as JSON
// to standard output. Start at openai_test.go, then vendor_test.go, where the
// vendor's code is our counterpart at either end.
//
// `make clients` installs the SDKs by lock file. Without them the tests skip;
// under CI=true they fail.
package clients

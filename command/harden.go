package command

import (
	"errors"
	"slices"
	"strings"

	"sealcar/config"
)

// Hardening is how the process keeps its memory from others: the functions of
// package hardening. A nil one is not done, as in tests that run a command
// inside their own process.
type Hardening struct {
	HideMemory func() error
	DenyCores  func() error // children inherit it
}

// checkDebug refuses a setting by which net/http writes each header of HTTP/2,
// and so API keys, to standard error. It is read before main begins (net/http,
// "GODEBUG environment variables"), so it is too late to take it away.
func (p Process) checkDebug() error {
	writes := func(entry string) bool {
		settings, ok := strings.CutPrefix(entry, "GODEBUG=")
		return ok && strings.Contains(strings.ReplaceAll(settings, "http2debug=0", ""), "http2debug=")
	}
	if !slices.ContainsFunc(p.Environ, writes) {
		return nil
	}
	return &exitError{status: 1, err: errors.New("GODEBUG has http2debug, which would write API keys to standard error; take it out (an application under exec can have it: sealcar exec -- env GODEBUG=… COMMAND)")}
}

// harden comes before the first secret is read.
func (p Process) harden() {
	p.hideMemory()
	p.denyCores()
}

func (p Process) hideMemory() {
	p.attempt(p.Hardening.HideMemory, "other processes of this user can read sealcar's memory")
}

func (p Process) denyCores() {
	p.attempt(p.Hardening.DenyCores, "a crash may write sealcar's memory to a core file")
}

// attempt warns of a step that fails, and that is all: only a seccomp filter
// denies these calls, and applications would be no safer without their sidecar.
// The configuration, and with it how to log, is not read yet.
func (p Process) attempt(step func() error, otherwise string) {
	if step == nil {
		return
	}
	if err := step(); err != nil {
		if log, logErr := newLogger(p, config.Log{Level: "warn", Format: "auto"}); logErr == nil {
			log.Warn().Err(err).Msg(otherwise)
		}
	}
}

package command

import "sealcar/config"

// Hardening is how the process keeps its memory from others: the functions of
// package hardening. A nil one is not done, as in tests that run a command
// inside their own process.
type Hardening struct {
	HideMemory func() error
	DenyCores  func() error // children inherit it
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

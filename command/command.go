package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Process is what a command may know of the process it runs in.
type Process struct {
	Name    string   // as it was called, for lines to copy
	Args    []string // without the name
	Environ []string // "KEY=value"
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer

	Hardening Hardening
}

// Getenv gives the last value of key in Environ, as os.Getenv would.
func (p Process) Getenv(key string) string {
	value := ""
	for _, entry := range p.Environ {
		if v, ok := strings.CutPrefix(entry, key+"="); ok {
			value = v
		}
	}
	return value
}

// exitError ends the process with a status and, if Err is set, a message.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// Main runs the command line and returns the exit status.
func Main(ctx context.Context, p Process) int {
	root := newRoot(p)
	root.SetArgs(p.Args)
	root.SetIn(p.Stdin)
	root.SetOut(p.Stdout)
	root.SetErr(p.Stderr)
	err := p.checkDebug()
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err == nil {
		return 0
	}
	exit, ok := errors.AsType[*exitError](err)
	if !ok { // cobra's own: an unknown command or flag
		exit = &exitError{status: 2, err: fmt.Errorf("%w\nRun 'sealcar --help' for the commands", err)}
	}
	if exit.err != nil {
		_, _ = fmt.Fprintf(p.Stderr, "sealcar: %s\n", visible(exit.err.Error()))
	}
	return exit.status
}

func newRoot(p Process) *cobra.Command {
	root := &cobra.Command{
		Use:   "sealcar",
		Short: "Seal an unchanged application's chats with a hosted model, end to end",
		Long: `sealcar is an encrypting proxy beside an application that knows nothing of it.
It seals the content of OpenAI-style chats for the inference endpoint and opens
the replies, so that nothing in between can read them.

Start with 'sealcar demo'.`,
		PersistentPreRun: func(*cobra.Command, []string) { p.harden() },
		SilenceErrors:    true,
		SilenceUsage:     true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(newRun(p), newExec(p), newEnv(p), newDemo(p), newEnclave(p), newWebhook(p), newCheck(p), newCert(p), newDoctor(p), newHealth(p), newVersion(p))
	return root
}

// failing turns every error of a command's work into exit status 1, so that
// only the command line itself yields 2.
func failing(run func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := run(cmd, args)
		if err == nil {
			return nil
		}
		if _, ok := errors.AsType[*exitError](err); ok {
			return err
		}
		return &exitError{status: 1, err: err}
	}
}

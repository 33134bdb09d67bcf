package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"sealcar/appenv"
	"sealcar/config"
	"sealcar/sidecar"
)

func newExec(p Process) *cobra.Command {
	var configFile, logLevel string
	var baseURL bool
	cmd := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARG…]",
		Short: "Run a command behind a sidecar of its own",
		Long: `Run a command behind a sidecar of its own, on free ports, with every proxy and
CA variable set that its HTTP client might look at. Signals are passed on, and
the exit status is the command's. listen, listen_tls, client_auth and
admin.listen of the configuration are ignored, so that it can run beside another
sidecar and share its CA and caches.

Some clients look at no proxy variable, fetch of Node before 22.21 for one: with
--base-url those that read OPENAI_BASE_URL or ANTHROPIC_BASE_URL come in that way.`,
		Example: "  sealcar exec -- python app.py\n  sealcar exec -- curl https://ark.cn-beijing.volces.com/api/v3/models",
		Args:    cobra.MinimumNArgs(1),
		// The command's limits are its own, so it is started before ours is set.
		PersistentPreRun: func(*cobra.Command, []string) { p.hideMemory() },
		RunE: failing(func(cmd *cobra.Command, args []string) error {
			return execute(cmd.Context(), p, execFlags{configFile, logLevel, baseURL}, args)
		}),
	}
	configFlag(cmd, &configFile)
	cmd.Flags().StringVar(&logLevel, "log-level", "warn", "in place of log.level, for standard error is the command's")
	cmd.Flags().BoolVar(&baseURL, "base-url", false, "set OPENAI_BASE_URL and ANTHROPIC_BASE_URL too, for clients that look at no proxy variable")
	cmd.Flags().SetInterspersed(false) // the command's flags are its own
	return cmd
}

type execFlags struct {
	configFile, logLevel string
	baseURL              bool
}

func execute(ctx context.Context, p Process, f execFlags, args []string) error {
	loaded, err := loadConfig(p, f.configFile)
	if err != nil {
		return err
	}
	c := *loaded
	c.Listen, c.Admin.Listen, c.Log.Level = "127.0.0.1:0", "", f.logLevel
	c.ListenTLS, c.ClientAuth = config.ListenTLS{}, config.ClientAuth{}
	path, err := exec.LookPath(args[0])
	if errors.Is(err, os.ErrPermission) {
		return &exitError{status: 126, err: err} // found, as a shell has it, but no program
	}
	if err != nil {
		return &exitError{status: 127, err: err}
	}
	log, err := newLogger(p, c.Log)
	if err != nil {
		return err
	}
	fit := fitMachine(p, execShare, log)
	side, err := sidecar.New(sidecar.Options{Config: &c, Machine: fit, Log: log, Version: Version(), Getenv: p.Getenv})
	if err != nil {
		return err
	}
	defer pace(p, fit)()
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- side.Run(ctx) }()

	settings := appSettings(side, &c)
	if f.baseURL {
		settings.BaseURL, settings.AnthropicBaseURL = baseURLOf(&c, settings.ProxyURL), anthropicBaseURLOf(&c, settings.ProxyURL)
	}
	warnReplaced(p, &c, settings)
	warnLeftOut(p, settings)
	status, err := runChild(p, path, args, appenv.Merge(p.Environ, appenv.Variables(settings, p.Getenv)))
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return err
	}
	if status != 0 {
		return &exitError{status: status}
	}
	return nil
}

// runChild runs the command to its end and returns its exit status: its own, or
// 128 and the number of the signal that ended it, as a shell has it.
func runChild(p Process, path string, args, environ []string) (int, error) {
	child := &exec.Cmd{Path: path, Args: args, Env: environ, Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return 0, &exitError{status: 126, err: fmt.Errorf("starting %q: %w", path, err)}
	}
	p.denyCores()
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case s := <-signals:
			if !fromTerminal(p, s) {
				_ = child.Process.Signal(s) // it may have just ended; Wait tells
			}
		case err := <-ended:
			return exitStatus(child.ProcessState, err)
		}
	}
}

// fromTerminal reports whether the terminal sends s to the child itself, as it
// does with ^C and ^\ to every process in its foreground.
func fromTerminal(p Process, s os.Signal) bool {
	f, ok := p.Stdin.(*os.File)
	return ok && isatty.IsTerminal(f.Fd()) && (s == syscall.SIGINT || s == syscall.SIGQUIT)
}

func exitStatus(state *os.ProcessState, err error) (int, error) {
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return 0, fmt.Errorf("waiting for the command: %w", err)
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return state.ExitCode(), nil
}

package command

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"sealcar/config"
	"sealcar/proxy"
	"sealcar/sidecar"
)

func newRun(p Process) *cobra.Command {
	var configFile string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the sidecar",
		Long: `Run the sidecar. Without a configuration it listens on 127.0.0.1:8080, serves
probes and metrics on 127.0.0.1:9090, and seals what goes to the public Ark hosts.

SIGTERM and SIGINT let open streams end (timeouts.drain) and exit 0. SIGHUP, or a
change of the file, loads the configuration anew; a bad one keeps the old.`,
		Args: cobra.NoArgs,
		RunE: failing(func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), p, configFile)
		}),
	}
	configFlag(cmd, &configFile)
	return cmd
}

func run(ctx context.Context, p Process, configFile string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	source := configSource(p, configFile)
	watcher, unwatched := newWatcher(source) // before the load, so that no change falls between
	c, err := loadConfig(p, configFile)
	if err != nil {
		return err
	}
	log, flush, err := newBufferedLogger(p, c.Log)
	if err != nil {
		return err
	}
	defer func() { _ = flush() }() // standard error is where its own failure would be told
	fit := fitMachine(p, 0, log)
	side, err := sidecar.New(sidecar.Options{Config: c, Machine: fit, Log: log, Version: Version(), Getenv: p.Getenv})
	if err != nil {
		return err
	}
	defer pace(p, fit)()
	if unwatched != nil {
		log.Warn().Err(unwatched).Msg("the configuration file is not watched; SIGHUP still reloads it")
	}
	r := reloader{source: source, watcher: watcher, sidecar: side, log: log}
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		r.run(ctx)
	}()
	err = side.Run(ctx)
	stop()
	<-watching
	return err
}

// newWatcher watches the configuration file; nil without one.
func newWatcher(s config.Source) (*config.Watcher, error) {
	file, err := s.File()
	if err != nil || file == "" {
		return nil, err
	}
	return config.NewWatcher(file)
}

// reloader gives a running sidecar its changed configuration.
type reloader struct {
	source  config.Source
	watcher *config.Watcher // nil: only SIGHUP reloads
	sidecar *proxy.Proxy
	log     zerolog.Logger
}

// run reloads at each SIGHUP and each change of the file until ctx ends.
func (r *reloader) run(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	changes := make(chan struct{}, 1)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.watch(ctx, changes)
	}()
	for {
		select {
		case <-ctx.Done():
			<-watched
			return
		case <-hangups:
		case <-changes:
		}
		r.reload()
	}
}

// watch tells changes of the file. Several before the next reload are one.
func (r *reloader) watch(ctx context.Context, changes chan<- struct{}) {
	if r.watcher == nil {
		return
	}
	err := r.watcher.Watch(ctx, func() {
		select {
		case changes <- struct{}{}:
		default:
		}
	})
	if err != nil {
		r.log.Warn().Err(err).Msg("the configuration file is watched no more; SIGHUP still reloads it")
	}
}

func (r *reloader) reload() {
	c, err := config.Load(r.source)
	if err != nil {
		r.sidecar.ReloadFailed(err)
		return
	}
	_ = r.sidecar.Reload(c) // it logs and counts a failure itself
}

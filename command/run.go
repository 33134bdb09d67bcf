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
	c, err := loadConfig(p, configFile)
	if err != nil {
		return err
	}
	log, err := newLogger(p, c.Log)
	if err != nil {
		return err
	}
	side, err := newSidecar(p, c)
	if err != nil {
		return err
	}
	r := reloader{process: p, source: configSource(p, configFile), sidecar: side, log: log}
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		r.watch(ctx)
	}()
	err = side.Run(ctx)
	stop()
	<-watching
	return err
}

// reloader gives a running sidecar its changed configuration.
type reloader struct {
	process Process
	source  config.Source
	sidecar *proxy.Proxy
	log     zerolog.Logger
}

// watch reloads at each SIGHUP and each change of the file until ctx ends.
func (r *reloader) watch(ctx context.Context) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	changes := make(chan struct{}, 1)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.watchFile(ctx, changes)
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

// watchFile tells changes of the configuration file, if there is one. Several
// changes before the next reload are one.
func (r *reloader) watchFile(ctx context.Context, changes chan<- struct{}) {
	file, err := r.source.File()
	if err == nil && file != "" {
		err = config.Watch(ctx, file, func() {
			select {
			case changes <- struct{}{}:
			default:
			}
		})
	}
	if err != nil && ctx.Err() == nil {
		r.log.Warn().Err(err).Msg("the configuration file is not watched; SIGHUP still reloads it")
	}
}

func (r *reloader) reload() {
	c, err := config.Load(r.source)
	if err == nil {
		err = r.sidecar.Reload(c)
	}
	if err != nil {
		r.log.Error().Err(err).Msg("the new configuration is not used; the old one stays in force")
	}
}

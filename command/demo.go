package command

import (
	"context"
	"fmt"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"sealcar/appenv"
	"sealcar/config"
	"sealcar/demo"
	"sealcar/proxy"
)

func newDemo(p Process) *cobra.Command {
	var serve, asJSON bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show two chats sealed on the wire, both ends on this machine",
		Args:  cobra.NoArgs,
		RunE: failing(func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			width, _ := strconv.Atoi(p.Getenv("COLUMNS")) // 0 when it is not set: the default
			o := demo.Options{
				Out: p.Stdout, Width: width, JSON: asJSON,
				Log: zerolog.New(p.Stderr).Level(zerolog.WarnLevel),
			}
			o.Sidecar = func(c *config.Config) (*proxy.Proxy, error) {
				quiet := *c
				quiet.Log.Level = "warn" // the panels are the output
				return newSidecar(p, &quiet)
			}
			if serve {
				o.Serve = func(ctx context.Context, side *proxy.Proxy, c *config.Config, apiKey string) error {
					return showServing(ctx, p, appSettings(side, c), apiKey)
				}
			}
			if err := demo.Run(ctx, o); err != nil {
				return err
			}
			if !serve && !asJSON {
				_, err := fmt.Fprintf(p.Stdout, "\nNext: '%s demo --serve' keeps both ends up for an app of your own; README.md goes on from there.\n", p.Name)
				return err
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&serve, "serve", false, "keep both ends up until interrupted, and print what to export for an app of your own")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON document")
	return cmd
}

// showServing prints what an application needs and waits for the end.
func showServing(ctx context.Context, p Process, s appenv.Settings, apiKey string) error {
	if _, err := fmt.Fprintf(p.Stdout, "\n# Both ends are up. In another terminal:\n%s\n# then run an app against it; ^C ends it.\n", exports(p, s, apiKey)); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// exports are shell lines that point an application at the sidecar.
func exports(p Process, s appenv.Settings, apiKey string) string {
	var lines strings.Builder
	s.BaseURL = s.ProxyURL + "/v1"
	for _, v := range append(appenv.Variables(s, p.Getenv), appenv.Var{Name: "OPENAI_API_KEY", Value: apiKey}) {
		fmt.Fprintf(&lines, "export %s=%s\n", v.Name, shellQuote(v.Value))
	}
	return lines.String()
}

// shellQuote quotes a value for a POSIX shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

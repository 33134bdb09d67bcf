package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newHealth(p Process) *cobra.Command {
	var configFile string
	var live bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask the running sidecar whether it is ready (a probe for images without a shell)",
		Args:  cobra.NoArgs,
		RunE: failing(func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(p, configFile)
			if err != nil {
				return err
			}
			path := "/readyz"
			if live {
				path = "/healthz"
			}
			return probe(cmd.Context(), c.Admin.Listen, path)
		}),
	}
	configFlag(cmd, &configFile)
	cmd.Flags().BoolVar(&live, "live", false, "ask only whether it is alive")
	return cmd
}

// probe asks the admin listener at listen, on this machine.
func probe(ctx context.Context, listen, path string) error {
	if listen == "" {
		return errors.New("admin.listen is empty, so there is nothing to ask; set it to host:port")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+dialable(listen)+path, nil)
	if err != nil {
		return fmt.Errorf("admin.listen %q: %w", listen, err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("the sidecar does not answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // its reason is a courtesy
		return fmt.Errorf("the sidecar is not ready: %s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	return nil
}

package command

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sealcar/appenv"
	"sealcar/config"
	"sealcar/proxy"
)

func newEnv(p Process) *cobra.Command {
	var configFile, shell, audience string
	var baseURL bool
	cmd := &cobra.Command{
		Use:   "env",
		Short: "Print what an application's environment needs to go through the sidecar",
		Long: `Print, in the language of a shell, the variables that send an application through
the sidecar of this configuration. What the environment holds already is kept
where it can be: exceptions from the proxy, options of the JVM.

Node looks at proxy variables from 22.21 and 24 on, so --for node sets the base
URL as well; --base-url does so for the others.`,
		Example: `  eval "$(sealcar env)"
  sealcar env --for node
  sealcar env --shell fish | source
  sealcar env --shell powershell | Out-String | Invoke-Expression`,
		Args: cobra.NoArgs,
		RunE: failing(func(*cobra.Command, []string) error {
			c, err := loadConfig(p, configFile)
			if err != nil {
				return err
			}
			settings, err := listeningSettings(c)
			if err != nil {
				return err
			}
			if !baseURL && audience != "node" {
				settings.BaseURL, settings.AnthropicBaseURL = "", ""
			}
			vars, err := appenv.For(audience, appenv.Variables(settings, p.Getenv))
			if err != nil {
				return fmt.Errorf("--for: %w", err)
			}
			script, err := appenv.Script(shell, vars)
			if err != nil {
				return fmt.Errorf("--shell: %w", err)
			}
			warnMissing(p.Stderr, settings.BundleFile)
			warnReplaced(p, c, settings)
			warnLeftOut(p, settings)
			_, err = io.WriteString(p.Stdout, script)
			return err
		}),
	}
	configFlag(cmd, &configFile)
	cmd.Flags().StringVar(&shell, "shell", "bash", strings.Join(appenv.Shells(), ", "))
	cmd.Flags().StringVar(&audience, "for", "", strings.Join(appenv.Audiences(), ", ")+"; all of them if left out")
	cmd.Flags().BoolVar(&baseURL, "base-url", false, "set OPENAI_BASE_URL and ANTHROPIC_BASE_URL too, for clients that look at no proxy variable")
	return cmd
}

// listeningSettings are those for a sidecar that is started with c.
func listeningSettings(c *config.Config) (appenv.Settings, error) {
	if strings.HasSuffix(c.Listen, ":0") {
		return appenv.Settings{}, fmt.Errorf("listen is %q: a port that is only known once the sidecar runs; give it one, or use 'sealcar exec'", c.Listen)
	}
	address := dialable(c.Listen)
	s := settingsFor(c, "http://"+address, proxy.NewCAFiles(c))
	s.BaseURL, s.AnthropicBaseURL = baseURLOf(c, s.ProxyURL), anthropicBaseURLOf(c, s.ProxyURL)
	return s, nil
}

// baseURLOf is where a client finds the first route that has base paths, or ""
// where none has.
func baseURLOf(c *config.Config, proxyURL string) string {
	for _, r := range c.Routes {
		if len(r.BasePaths) > 0 {
			return proxyURL + r.BasePaths[0].From
		}
	}
	return ""
}

// anthropicBaseURLOf is where Anthropic's SDKs find the first route that they can
// use: they put /v1/messages behind the address, whatever it is.
func anthropicBaseURLOf(c *config.Config, proxyURL string) string {
	for _, r := range c.Routes {
		if !slices.Contains(r.Dialects, "anthropic") {
			continue
		}
		for _, b := range r.BasePaths {
			if before, ok := strings.CutSuffix(b.From, "/v1"); ok {
				return proxyURL + before
			}
		}
	}
	return ""
}

// warnReplaced says which proxies of the environment are no longer asked, unless
// the routes name one themselves.
func warnReplaced(p Process, c *config.Config, s appenv.Settings) {
	direct := func(r config.Route) bool { return r.UpstreamProxy == "" }
	if !slices.ContainsFunc(c.Routes, direct) {
		return
	}
	for _, v := range appenv.Replaced(s, p.Getenv) {
		_, _ = fmt.Fprintf(p.Stderr, "sealcar: %s was %s; sealcar takes its place, and goes out without it: if the network needs that proxy, set upstream_proxy on the routes (hosts without a route are reached directly, or not at all)\n", v.Name, v.Value)
	}
}

// warnLeftOut says which exceptions from the proxy the application loses.
func warnLeftOut(p Process, s appenv.Settings) {
	for _, left := range appenv.LeftOuts(s, p.Getenv) {
		_, _ = fmt.Fprintf(p.Stderr, "sealcar: NO_PROXY's %q is left out: %s\n", left.Entry, left.Why)
	}
}

// warnMissing says that clients would fail for lack of the CA files, which a
// sidecar makes when it starts.
func warnMissing(w io.Writer, bundle string) {
	if _, err := os.Stat(bundle); err != nil {
		_, _ = fmt.Fprintf(w, "sealcar: %s is not there yet: start 'sealcar run' before the application\n", bundle)
	}
}

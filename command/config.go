package command

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"sealcar/appenv"
	"sealcar/config"
	"sealcar/proxy"
	"sealcar/sidecar"
)

// configFlag adds --config to a command.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "configuration file (default $SEALCAR_CONFIG; without one, the built-in defaults)")
}

func configSource(p Process, path string) config.Source {
	return config.Source{Path: path, Environ: p.Environ}
}

func loadConfig(p Process, path string) (*config.Config, error) {
	c, err := config.Load(configSource(p, path))
	if err != nil {
		return nil, fmt.Errorf("the configuration is not valid:\n%w", err)
	}
	return c, nil
}

// newSidecar makes a sidecar that logs as its configuration says.
func newSidecar(p Process, c *config.Config) (*proxy.Proxy, error) {
	log, err := newLogger(p, c.Log)
	if err != nil {
		return nil, err
	}
	return sidecar.New(sidecar.Options{Config: c, Log: log, Version: Version(), Getenv: p.Getenv})
}

// appSettings is what an application must know of a sidecar to go through it.
func appSettings(side *proxy.Proxy, c *config.Config) appenv.Settings {
	return settingsFor(c, "http://"+side.Addr().String(), side.CAFiles())
}

func settingsFor(c *config.Config, proxyURL string, files proxy.CAFiles) appenv.Settings {
	s := appenv.Settings{
		ProxyURL:           proxyURL,
		CAFile:             files.CA,
		BundleFile:         files.Bundle,
		TruststoreFile:     files.Truststore,
		TruststorePassword: files.TruststorePassword,
	}
	for _, r := range c.Routes {
		s.Hosts = append(s.Hosts, r.Hosts...)
	}
	return s
}

// dialable is where a listener's address is reached from this machine.
func dialable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen // it was validated; dialling it tells
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

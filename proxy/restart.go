package proxy

import "sealcar/config"

// keepUntilRestart is next with the settings of what a process makes once (its
// listeners, its logger, its authority, its budget of memory) as they were, and
// the names of those that would have changed. docs/configuration.md lists them,
// under "Reload".
func keepUntilRestart(first, next *config.Config) (kept *config.Config, waiting []string) {
	c := *next
	keep(&waiting, "listen", &c.Listen, first.Listen)
	keep(&waiting, "listen_tls", &c.ListenTLS, first.ListenTLS)
	keep(&waiting, "client_auth", &c.ClientAuth, first.ClientAuth)
	keep(&waiting, "admin.listen", &c.Admin.Listen, first.Admin.Listen)
	keep(&waiting, "state_dir", &c.StateDir, first.StateDir)
	keep(&waiting, "log", &c.Log, first.Log)
	keep(&waiting, "limits.connections", &c.Limits.Connections, first.Limits.Connections)
	keep(&waiting, "limits.buffered_bytes", &c.Limits.BufferedBytes, first.Limits.BufferedBytes)
	keep(&waiting, "limits.header_bytes", &c.Limits.HeaderBytes, first.Limits.HeaderBytes)
	keep(&waiting, "timeouts.read_header", &c.Timeouts.ReadHeader, first.Timeouts.ReadHeader)
	keep(&waiting, "timeouts.idle", &c.Timeouts.Idle, first.Timeouts.Idle)
	keep(&waiting, "interception.ca_dir", &c.Interception.CADir, first.Interception.CADir)
	keep(&waiting, "interception.public_dir", &c.Interception.PublicDir, first.Interception.PublicDir)
	keep(&waiting, "interception.ca_cert_file", &c.Interception.CACertFile, first.Interception.CACertFile)
	keep(&waiting, "interception.ca_key_file", &c.Interception.CAKeyFile, first.Interception.CAKeyFile)
	return &c, waiting
}

// keep gives a setting its first value, and notes its name if it had another.
func keep[T comparable](waiting *[]string, name string, setting *T, first T) {
	if *setting != first {
		*waiting = append(*waiting, name)
		*setting = first
	}
}

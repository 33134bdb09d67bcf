package config

import "strings"

// pathValue is one key that names a file or directory.
type pathValue struct {
	key   string
	value *string
}

// IsPEM tells PEM text from the name of a file that holds some, for settings
// that take either.
func IsPEM(value string) bool {
	return strings.HasPrefix(strings.TrimSpace(value), "-----BEGIN ")
}

// paths are the keys that name files or directories, in file order. The name
// builtin for the vendor's roots is none.
func (c *Config) paths() []pathValue {
	all := []pathValue{
		{"listen_tls.cert_file", &c.ListenTLS.CertFile},
		{"listen_tls.key_file", &c.ListenTLS.KeyFile},
		{"listen_tls.client_ca_file", &c.ListenTLS.ClientCAFile},
		{"client_auth.token_file", &c.ClientAuth.TokenFile},
		{"state_dir", &c.StateDir},
	}
	for i := range c.Routes {
		r := &c.Routes[i]
		key := index("routes", i)
		all = append(
			all,
			pathValue{key + ".upstream_ca_file", &r.UpstreamCAFile},
			pathValue{key + ".upstream_tls.client_cert_file", &r.UpstreamTLS.ClientCertFile},
			pathValue{key + ".upstream_tls.client_key_file", &r.UpstreamTLS.ClientKeyFile},
			pathValue{key + ".upstream_proxy_auth_file", &r.UpstreamProxyAuth},
		)
		cert := &r.Certificate
		if cert.Roots != builtinRoots && !IsPEM(cert.Roots) {
			all = append(all, pathValue{key + ".certificate.roots", &cert.Roots})
		}
		all = append(
			all,
			pathValue{key + ".certificate.file", &cert.File},
			pathValue{key + ".certificate.access_key_file", &cert.AccessKeyFile},
			pathValue{key + ".certificate.secret_key_file", &cert.SecretKeyFile},
			pathValue{key + ".certificate.security_token_file", &cert.SecurityTokenFile},
			pathValue{key + ".credentials.api_key_file", &r.Credentials.APIKeyFile},
			pathValue{key + ".credentials.access_key_file", &r.Credentials.AccessKeyFile},
			pathValue{key + ".credentials.secret_key_file", &r.Credentials.SecretKeyFile},
			pathValue{key + ".credentials.security_token_file", &r.Credentials.SecurityTokenFile},
		)
	}
	return append(
		all,
		pathValue{"interception.ca_dir", &c.Interception.CADir},
		pathValue{"interception.public_dir", &c.Interception.PublicDir},
		pathValue{"interception.ca_cert_file", &c.Interception.CACertFile},
		pathValue{"interception.ca_key_file", &c.Interception.CAKeyFile},
	)
}

// isPath tells a path by its key: what paths lists, but for certificate.roots.
func isPath(key string) bool {
	return strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_dir") || strings.HasSuffix(key, ".file")
}

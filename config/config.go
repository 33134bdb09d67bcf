package config

import (
	"slices"
	"strings"
	"time"
)

// Config is the whole configuration of the sidecar, validated: whoever holds a
// *Config got it from Load or Default and may rely on its invariants. It is
// never changed after that; a reload makes a new one.
type Config struct {
	Listen       string       `mapstructure:"listen"`        // host:port of the data port
	UnsafeListen bool         `mapstructure:"unsafe_listen"` // allows Listen on an address that is not loopback
	ListenTLS    ListenTLS    `mapstructure:"listen_tls"`
	ClientAuth   ClientAuth   `mapstructure:"client_auth"`
	AllowedHosts []string     `mapstructure:"allowed_hosts"` // further Host names that base-URL requests may carry
	Admin        Admin        `mapstructure:"admin"`
	StateDir     string       `mapstructure:"state_dir"` // absolute; caches and the local CA live below it
	Log          Log          `mapstructure:"log"`
	Limits       Limits       `mapstructure:"limits"`
	Timeouts     Timeouts     `mapstructure:"timeouts"`
	Sessions     Sessions     `mapstructure:"sessions"`
	Strict       bool         `mapstructure:"strict"` // makes every route Strict
	Routes       []Route      `mapstructure:"routes"` // first match wins; never empty
	Interception Interception `mapstructure:"interception"`
	Egress       Egress       `mapstructure:"egress"`
}

// ListenTLS is TLS on the data port. Its files are read again when they change.
type ListenTLS struct {
	CertFile     string `mapstructure:"cert_file"`      // PEM, leaf first; "" = no TLS
	KeyFile      string `mapstructure:"key_file"`       // PEM
	ClientCAFile string `mapstructure:"client_ca_file"` // PEM; clients must have a certificate of these authorities
}

// ClientAuth is how clients of the data port say who they are.
type ClientAuth struct {
	TokenFile string `mapstructure:"token_file"` // token or name:token, one a line, any of them; "" = none is asked for
}

// Admin is the listener for probes and metrics.
type Admin struct {
	Listen string `mapstructure:"listen"` // host:port; "" switches it off
}

// Log says what is logged to standard error, and how.
type Log struct {
	Level  string `mapstructure:"level"`  // debug, info, warn, error
	Format string `mapstructure:"format"` // auto (console on a terminal, else json), json, console
	// Delay is how long lines below warn may wait to be written together; 0 writes
	// each at once.
	Delay time.Duration `mapstructure:"delay"`
}

// Limits bound what one request may cost, and all of them together. The latter
// are 0 until Fit replaces them by what fits the machine.
type Limits struct {
	Connections   int   `mapstructure:"connections"`    // open at a time on the data port
	Requests      int   `mapstructure:"requests"`       // in flight at a time; tunnels count as connections alone
	BufferedBytes Bytes `mapstructure:"buffered_bytes"` // what bodies in memory take up together
	RequestBytes  Bytes `mapstructure:"request_bytes"`  // body of a request on a route
	ReplyBytes    Bytes `mapstructure:"reply_bytes"`    // body of a reply that is not a stream
	EventBytes    Bytes `mapstructure:"event_bytes"`    // one event of a stream
	StreamBytes   Bytes `mapstructure:"stream_bytes"`   // an event stream on a route, altogether
	HeaderBytes   Bytes `mapstructure:"header_bytes"`   // headers of a request or reply
	JSONValues    int   `mapstructure:"json_values"`    // values of one request's JSON, as far as they are looked at
}

// Timeouts are all settings with defaults; none is infinite but where it says so.
type Timeouts struct {
	Drain          time.Duration `mapstructure:"drain"`           // SIGTERM until open streams are cut
	ReadHeader     time.Duration `mapstructure:"read_header"`     // an app's request headers, and its TLS or CONNECT preamble
	ReadBody       time.Duration `mapstructure:"read_body"`       // an app's request body, whole
	Idle           time.Duration `mapstructure:"idle"`            // a kept-alive connection or tunnel without traffic
	Dial           time.Duration `mapstructure:"dial"`            // name lookup and TCP to an upstream
	TLSHandshake   time.Duration `mapstructure:"tls_handshake"`   // TLS to an upstream
	ResponseHeader time.Duration `mapstructure:"response_header"` // an upstream's first byte; models may think long
	StreamIdle     time.Duration `mapstructure:"stream_idle"`     // between two reads of a reply
	Certificate    time.Duration `mapstructure:"certificate"`     // one fetch of an endpoint certificate
}

// Sessions are the keys of requests to come, made ahead of time.
type Sessions struct {
	Ahead int           `mapstructure:"ahead"` // for one certificate, at most; 0 means that each is made when it is needed
	Idle  time.Duration `mapstructure:"idle"`  // those of a certificate out of use are dropped after this long, at most twice this long
}

// Route sends requests for some hosts to one upstream, by one protocol.
type Route struct {
	Name                 string      `mapstructure:"name"`     // unique; label of logs and metrics
	Hosts                []string    `mapstructure:"hosts"`    // lower case, host or host:port; the first serves base-URL mode when Upstream is ""
	Upstream             string      `mapstructure:"upstream"` // https://host[:port]; "" means https to the matched host
	UpstreamCAFile       string      `mapstructure:"upstream_ca_file"`
	UpstreamCA           string      `mapstructure:"upstream_ca"` // the same as PEM text
	UpstreamTLS          UpstreamTLS `mapstructure:"upstream_tls"`
	UpstreamProxy        string      `mapstructure:"upstream_proxy"`           // http(s)://host:port of an egress proxy, without credentials
	UpstreamProxyAuth    string      `mapstructure:"upstream_proxy_auth_file"` // file holding user:password for it
	Protocol             string      `mapstructure:"protocol"`                 // ark
	BasePaths            []BasePath  `mapstructure:"base_paths"`
	Dialects             []string    `mapstructure:"dialects"` // other APIs whose requests are carried as chats: responses, anthropic
	References           References  `mapstructure:"item_references"`
	Certificate          Certificate `mapstructure:"certificate"`
	Credentials          Credentials `mapstructure:"credentials"`
	Models               []Model     `mapstructure:"models"`             // exchanged in requests; the reply names the one asked for
	Residue              string      `mapstructure:"residue"`            // what cannot be sealed in a request: default, refuse, report, unsafe_allow
	ResidueExceptions    []Exception `mapstructure:"residue_exceptions"` // the first that fits counts
	Strict               bool        `mapstructure:"strict"`             // residue: refuse and replies.clear: refuse, without exceptions
	Strip                []string    `mapstructure:"strip"`              // members of a request's top level that are taken out before it is sealed
	MoveTools            bool        `mapstructure:"move_tools"`         // experimental: function calling goes into the sealed content
	Replies              Replies     `mapstructure:"replies"`
	UnsafePlaintextPaths []string    `mapstructure:"unsafe_plaintext_paths"` // upstream paths, exact, that may pass in clear
	UnsafeUpstreamHTTP   bool        `mapstructure:"unsafe_upstream_http"`   // allows an http:// Upstream

	InlineImages InlineImages `mapstructure:"inline_images"`
}

// UpstreamTLS is how the upstream is verified and told who we are.
type UpstreamTLS struct {
	MinVersion     string   `mapstructure:"min_version"` // "1.2" or "1.3"
	ClientCertFile string   `mapstructure:"client_cert_file"`
	ClientKeyFile  string   `mapstructure:"client_key_file"`
	Pins           []string `mapstructure:"pins"` // base64 SHA-256 of a SubjectPublicKeyInfo of the verified chain; any one suffices
}

// BasePath maps a leading part of the request path, at segment boundaries.
type BasePath struct {
	From string `mapstructure:"from"` // as the app has it, e.g. /v1
	To   string `mapstructure:"to"`   // as the upstream has it, e.g. /api/v3
}

// References bound what is remembered of replies of the Responses API, so that
// applications can refer to it by its id.
type References struct {
	Items int           `mapstructure:"items"` // 0: nothing is remembered
	Bytes Bytes         `mapstructure:"bytes"` // of all of them
	For   time.Duration `mapstructure:"for"`   // after its last use
}

// Certificate is where a route's endpoint certificates come from and what they
// must chain to.
type Certificate struct {
	Source            string        `mapstructure:"source"`  // api-key, openapi, file, chain
	Sources           []string      `mapstructure:"sources"` // chain: the others, in the order in which they are asked
	Roots             string        `mapstructure:"roots"`   // builtin, a PEM file, or PEM text
	Pins              Pins          `mapstructure:"pins"`
	Revocation        Revocation    `mapstructure:"revocation"`
	AICC              bool          `mapstructure:"aicc"`                // ask for and require AICC certificates
	SkipModeration    bool          `mapstructure:"skip_moderation"`     // AICC: ask the vendor not to moderate (x-ark-moderation-scene: aicc-skip)
	MaxAge            time.Duration `mapstructure:"max_age"`             // fetched anew after this long
	ClockSkew         time.Duration `mapstructure:"clock_skew"`          // tolerated on NotBefore and NotAfter
	WarmUp            []string      `mapstructure:"warm_up"`             // models fetched before ready; openapi only
	File              string        `mapstructure:"file"`                // file: PEM, leaf first
	AccessKeyFile     string        `mapstructure:"access_key_file"`     // openapi
	SecretKeyFile     string        `mapstructure:"secret_key_file"`     // openapi
	SecurityTokenFile string        `mapstructure:"security_token_file"` // openapi: of temporary keys (STS)
	Region            string        `mapstructure:"region"`              // openapi
	Host              string        `mapstructure:"host"`                // openapi: host[:port], always https
}

// Pins narrow down which of the trusted certificates are accepted. Of each kind
// that is given one has to match.
type Pins struct {
	Serials []string `mapstructure:"serials"` // hexadecimal serial numbers of the leaf
	SPKI    []string `mapstructure:"spki"`    // base64 SHA-256 of a SubjectPublicKeyInfo of the verified path
}

// Revocation says whether certificates are looked up in CRLs and by OCSP, and
// where that may lead.
type Revocation struct {
	Mode         string        `mapstructure:"mode"`          // off, soft (not knowing passes), hard (it does not)
	Addresses    string        `mapstructure:"addresses"`     // public, private (networks of the operator's own too)
	AllowedHosts []string      `mapstructure:"allowed_hosts"` // host or host:port; empty = every public host, ports 80 and 443
	Timeout      time.Duration `mapstructure:"timeout"`       // of one check
	MaxBytes     Bytes         `mapstructure:"max_bytes"`     // of one CRL
}

// Uses says whether a source is asked, be it as one of a chain.
func (c *Certificate) Uses(source string) bool {
	return c.Source == source || c.Source == "chain" && slices.Contains(c.Sources, source)
}

// Credentials are the API keys for requests that carry none, so that
// applications need to hold none.
type Credentials struct {
	Source            string        `mapstructure:"source"`              // request (each brings its own), file, openapi
	Replace           bool          `mapstructure:"replace"`             // for requests that carry a key too; file and openapi only
	APIKeyFile        string        `mapstructure:"api_key_file"`        // file
	AccessKeyFile     string        `mapstructure:"access_key_file"`     // openapi
	SecretKeyFile     string        `mapstructure:"secret_key_file"`     // openapi
	SecurityTokenFile string        `mapstructure:"security_token_file"` // openapi; "" for permanent keys
	Region            string        `mapstructure:"region"`              // openapi
	Host              string        `mapstructure:"host"`                // openapi: host[:port], always https
	Project           string        `mapstructure:"project"`             // openapi: of preset endpoints
	Duration          time.Duration `mapstructure:"duration"`            // openapi: how long a temporary key lasts
}

// Model is a model by the name that applications have for it.
type Model struct {
	From string `mapstructure:"from"` // as in requests, e.g. gpt-4o
	To   string `mapstructure:"to"`   // endpoint id or model name of the upstream
}

// Exception is another residue policy for one place of a request and what is
// below it.
type Exception struct {
	Path    string `mapstructure:"path"`    // as in messages[*].name; [*] is every index
	Residue string `mapstructure:"residue"` // as Route.Residue
}

// Replies is what is done with what a reply holds in clear.
type Replies struct {
	Clear                   string `mapstructure:"clear"` // beside the sealed content: report, refuse
	UnsafeContentFilterText bool   `mapstructure:"unsafe_content_filter_text"`
}

// InlineImages says whether images that a chat links are fetched and sealed, and
// where that may lead.
type InlineImages struct {
	Enabled      bool          `mapstructure:"enabled"`
	MaxImages    int           `mapstructure:"max_images"`    // of one request
	MaxBytes     Bytes         `mapstructure:"max_bytes"`     // of one image
	Timeout      time.Duration `mapstructure:"timeout"`       // of all images of one request
	AllowedHosts []string      `mapstructure:"allowed_hosts"` // host or host:port; empty = every host, ports 80 and 443
	Addresses    string        `mapstructure:"addresses"`     // public, private (networks of the operator's own too)
}

// Interception is the local CA that terminates CONNECT for routed hosts.
type Interception struct {
	CADir           string        `mapstructure:"ca_dir"`       // "" means StateDir/ca
	PublicDir       string        `mapstructure:"public_dir"`   // of the files for applications; "" means CADir
	CACertFile      string        `mapstructure:"ca_cert_file"` // bring your own, with CAKeyFile
	CAKeyFile       string        `mapstructure:"ca_key_file"`
	NameConstraints bool          `mapstructure:"name_constraints"` // own CA: critical, to the routed hosts
	CALifetime      time.Duration `mapstructure:"ca_lifetime"`
	CARotateBefore  time.Duration `mapstructure:"ca_rotate_before"` // a start within this time of the CA's end makes a new one
	LeafLifetime    time.Duration `mapstructure:"leaf_lifetime"`
}

// Egress is what happens to hosts without a route.
type Egress struct {
	Default          string   `mapstructure:"default"`            // tunnel, deny
	AllowedHosts     []string `mapstructure:"allowed_hosts"`      // host or host:port; empty = every host
	AllowedPorts     []int    `mapstructure:"allowed_ports"`      // empty = every port if Listen is loopback, else 443 and 80
	Addresses        string   `mapstructure:"addresses"`          // auto (private if Listen is loopback, else public), public, private, any
	UnsafeForwardLLM bool     `mapstructure:"unsafe_forward_llm"` // forward plain-HTTP LLM calls to hosts without a route

	UnsafePlainTunnels bool `mapstructure:"unsafe_plain_tunnels"` // CONNECT may carry what is neither TLS nor HTTP/1
}

// Origins are the places that the route's requests may go to, each
// scheme://host[:port] without a default port: Upstream if it is set, else one
// for each of Hosts, in their order. A host named with port 80 is reached by TLS
// on 443 all the same: only the application's side of it is plain HTTP.
func (r Route) Origins() []string {
	if r.Upstream != "" {
		return []string{r.Upstream}
	}
	list := make([]string, len(r.Hosts))
	for i, host := range r.Hosts {
		list[i] = "https://" + strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")
	}
	return list
}

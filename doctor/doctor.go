package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"sealcar/config"
	"sealcar/sidecar"
)

// Verdict is how a step went.
type Verdict string

// The verdicts. Only Bad makes the whole examination fail.
const (
	Good    Verdict = "ok"
	Unsure  Verdict = "warning"
	Bad     Verdict = "failed"
	Skipped Verdict = "skipped" // needs something that an earlier step did not find, or that was not given
)

// Finding is one step's result.
type Finding struct {
	Route   string  `json:"route,omitempty"` // "" for what concerns no route
	Step    string  `json:"step"`
	Verdict Verdict `json:"verdict"`
	Saw     string  `json:"saw"`
	Next    string  `json:"next,omitempty"` // what to do, unless all is well
}

// Options say what to examine.
type Options struct {
	Config     *config.Config   // required
	Model      string           // endpoint id or model name whose certificate is asked for; "" skips the steps that need one
	Credential string           // an application's API key; "" takes the route's own credentials, without those steps are skipped
	Probe      bool             // send a sealed chat, which the provider may charge for
	Now        func() time.Time // nil means time.Now
}

// Examine examines every route. It calls report for each finding as it comes
// and returns whether none is Bad.
func Examine(ctx context.Context, o Options, report func(Finding)) (well bool) {
	if o.Now == nil {
		o.Now = time.Now
	}
	well = true
	for _, r := range o.Config.Routes {
		e := &examination{options: o, route: r, report: func(f Finding) {
			f.Route = r.Name
			well = well && f.Verdict != Bad
			report(f)
		}}
		e.run(ctx)
		if e.made != nil {
			e.made.Close()
		}
	}
	return well
}

// examination is that of one route.
type examination struct {
	options Options
	route   config.Route
	report  func(Finding)

	origin   *url.URL
	made     *sidecar.Route
	endpoint *sidecar.Endpoint
	path     []*x509.Certificate // of the endpoint certificate, once verified
}

// run takes the steps in the order in which a request depends on them; after a
// Bad one those that depend on it are skipped.
func (e *examination) run(ctx context.Context) {
	steps := []struct {
		name string
		step func(context.Context) Finding
	}{
		{"files", e.files},
		{"name", e.name},
		{"tcp", e.tcp},
		{"tls", e.tls},
		{"certificate", e.certificate},
		{"revocation", e.revocation},
		{"chat", e.chat},
	}
	broken := ""
	for _, s := range steps {
		f := Finding{Verdict: Skipped, Saw: "not tried: the step " + broken + " failed"}
		if broken == "" {
			f = s.step(ctx)
		}
		f.Step = s.name
		if f.Verdict == Bad {
			broken = s.name
		}
		e.report(f)
	}
}

func good(format string, args ...any) Finding {
	return Finding{Verdict: Good, Saw: fmt.Sprintf(format, args...)}
}

func bad(next, format string, args ...any) Finding {
	return Finding{Verdict: Bad, Saw: fmt.Sprintf(format, args...), Next: next}
}

func skipped(next, saw string) Finding { return Finding{Verdict: Skipped, Saw: saw, Next: next} }

// files reads what the route's settings name.
func (e *examination) files(context.Context) Finding {
	made, err := sidecar.NewExaminedRoute(e.options.Config, e.route)
	if err != nil {
		return bad("Correct the file or the setting that the message names.", "%v", err)
	}
	e.made, e.endpoint = made, made.Endpoint()
	if e.origin, err = url.Parse(e.endpoint.Origin); err != nil {
		return bad("Correct the route's upstream.", "the upstream cannot be read: %v", err)
	}
	return good("every file that the route names was read; requests go to %s", e.origin)
}

// name resolves the upstream's name, unless an egress proxy does.
func (e *examination) name(ctx context.Context) Finding {
	if e.route.UpstreamProxy != "" {
		return skipped("", "the egress proxy resolves the name")
	}
	ctx, cancel := context.WithTimeout(ctx, e.options.Config.Timeouts.Dial)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupHost(ctx, e.origin.Hostname())
	if err != nil {
		return bad("Check the host name and this machine's DNS.", "%v", err)
	}
	return good("%s is %v", e.origin.Hostname(), addrs)
}

// tcp connects to the upstream, or to the egress proxy.
func (e *examination) tcp(ctx context.Context) Finding {
	to := hostPort(e.origin)
	if e.route.UpstreamProxy != "" {
		proxy, err := url.Parse(e.route.UpstreamProxy)
		if err != nil {
			return bad("Correct upstream_proxy.", "upstream_proxy cannot be read: %v", err)
		}
		to = hostPort(proxy)
	}
	start := e.options.Now()
	conn, err := (&net.Dialer{Timeout: e.options.Config.Timeouts.Dial}).DialContext(ctx, "tcp", to)
	if err != nil {
		return bad("Check that it runs, the port, and what stands between (firewall, NetworkPolicy, a proxy that upstream_proxy should name).", "%v", err)
	}
	_ = conn.Close()
	return good("connected to %s in %v", to, e.options.Now().Sub(start).Round(10*time.Microsecond))
}

func hostPort(u *url.URL) string {
	if port := u.Port(); port != "" {
		return net.JoinHostPort(u.Hostname(), port)
	}
	return net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

// get asks the upstream for something that carries no content and needs no
// credential to be answered at all, and so at once: it gets the time of a
// connection.
func (e *examination) get(ctx context.Context) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, e.options.Config.Timeouts.Dial+e.options.Config.Timeouts.TLSHandshake)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, e.origin.JoinPath("/api/v3/models").String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := e.endpoint.Out.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	return resp, resp.Body.Close()
}

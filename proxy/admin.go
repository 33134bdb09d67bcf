package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sealcar/apierror"
	"sealcar/kubeprobe"
)

// adminTimeout bounds each part of an exchange on the admin port, and
// maxAdminConnections what it has open: probes and scrapers are few, and
// whatever goes on at the data port takes none of theirs.
const (
	adminTimeout        = 10 * time.Second
	maxAdminConnections = 128
)

// newAdmin is the server of the admin port: probes and metrics, never content.
func (p *Proxy) newAdmin() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n")) // a prober that is gone needs no answer
	})
	mux.HandleFunc("GET /readyz", p.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics.registry, promhttp.HandlerOpts{}))
	return &http.Server{
		Handler:           p.withoutPages(mux),
		ReadHeaderTimeout: adminTimeout,
		ReadTimeout:       adminTimeout,
		WriteTimeout:      adminTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          serverLog(p.log),
	}
}

// withoutPages refuses what a web page may have sent: it would have an Origin, or
// a name as its Host that was made to lead here (DNS rebinding). Probes and
// scrapers ask by address.
func (p *Proxy) withoutPages(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var refused *apierror.Error
		switch {
		case len(r.Header["Origin"]) > 0:
			refused = browserOrigin()
		case !p.isAdminHost(r.Host):
			refused = refusal("unknown_host", "The Host header names neither an address nor a name of sealcar's. Ask by its address, or add the name to allowed_hosts.")
		default:
			next.ServeHTTP(w, r)
			return
		}
		p.metrics.refused.WithLabelValues(routeLabel(""), refused.Code).Inc()
		refused.Write(w)
	})
}

// isAdminHost reports whether a Host is an address, or a name that the
// configuration has. Only HTTP/1.0, which no browser speaks, has none.
func (p *Proxy) isAdminHost(host string) bool {
	if host == "" {
		return true
	}
	asked, err := parseTarget(host, "80")
	if err != nil {
		return false
	}
	if _, address := hostIP(asked.host); address {
		return true
	}
	t := p.acquire()
	if t == nil {
		return false
	}
	defer p.release(t)
	own, err := parseTarget(t.config.Admin.Listen, "")
	return err == nil && asked.host == own.host || t.allows(asked)
}

// readiness is the document of /readyz; routes only with ?verbose.
type readiness struct {
	Ready  bool         `json:"ready"`
	Detail string       `json:"detail"`
	Routes []routeReady `json:"routes,omitempty"`
}

type routeReady struct {
	Name   string `json:"name"`
	Ready  bool   `json:"ready"`
	Detail string `json:"detail"`

	Certificates []CertificateState `json:"certificates,omitempty"`
}

// serveReady answers the readiness probe of a pod (?kubelet) in such a way that what
// has changed and cannot be used becomes an Event of the pod, which stays ready.
func (p *Proxy) serveReady(w http.ResponseWriter, r *http.Request) {
	query, state := r.URL.Query(), p.readiness(r.Context())
	if state.Ready && query.Has(kubeprobe.Query) && p.warning.Answer(w, p.refusedChanges()) {
		return
	}
	if !query.Has("verbose") {
		state.Routes = nil
	}
	body, err := json.Marshal(state)
	if err != nil { // strings and booleans always marshal
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if !state.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write(append(body, '\n'))
}

// readiness is ready when the data port serves and no route says otherwise.
func (p *Proxy) readiness(ctx context.Context) readiness {
	t := p.acquire()
	if t == nil || !p.serving.Load() {
		if t != nil {
			p.release(t)
		}
		return readiness{Detail: "not accepting requests: starting or stopping"}
	}
	defer p.release(t)
	state := readiness{Ready: true, Detail: "configuration valid, listening on " + p.Addr().String()}
	if told := p.refusedChanges(); told != "" { // ready all the same, or a wrong ConfigMap would take every pod out of service
		state.Detail = told + "; listening on " + p.Addr().String()
	}
	for _, route := range t.routes {
		r := routeReady{Name: route.Name, Ready: true}
		switch {
		case route.protocol.Ready != nil:
			r.Ready, r.Detail = route.protocol.Ready(ctx)
		case len(route.certificates()) == 0:
			r.Detail = "awaiting first request"
		}
		if !r.Ready {
			state.Ready, state.Detail = false, "route "+r.Name+": "+r.Detail
		}
		r.Certificates = route.certificates()
		state.Routes = append(state.Routes, r)
	}
	return state
}

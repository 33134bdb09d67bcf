package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
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
		Handler:           mux,
		ReadHeaderTimeout: adminTimeout,
		ReadTimeout:       adminTimeout,
		WriteTimeout:      adminTimeout,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          serverLog(p.log),
	}
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

func (p *Proxy) serveReady(w http.ResponseWriter, r *http.Request) {
	state := p.readiness(r.Context())
	if !r.URL.Query().Has("verbose") {
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

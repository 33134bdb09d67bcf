package proxy

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"sealcar/config"
	"sealcar/exchange"
)

// metrics are everything /metrics shows. Labels take only values from the
// configuration or from fixed sets, so that no request can add a series; the
// exception are certificates, which are capped.
type metrics struct {
	registry   *prometheus.Registry
	requests   *prometheus.CounterVec
	refused    *prometheus.CounterVec
	plaintext  *prometheus.CounterVec
	rotations  *prometheus.CounterVec
	residue    *prometheus.CounterVec
	repeated   *prometheus.CounterVec
	seal       *prometheus.HistogramVec
	open       *prometheus.HistogramVec
	upstream   *prometheus.HistogramVec
	streams    prometheus.Gauge
	overflowed prometheus.Counter
	tunnels    prometheus.Gauge
	tunnelled  *prometheus.CounterVec
	reloads    *prometheus.CounterVec
}

func newMetrics(version string, now func() time.Time, certificates func() []routeCertificates, load func() (connections, requests int64)) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"route"})
	}
	fine := prometheus.ExponentialBuckets(25e-6, 4, 10) // 25 µs to 6.5 s
	m := &metrics{
		registry:   prometheus.NewRegistry(),
		requests:   counter("sealcar_requests_total", "Requests, by route (none: hosts without one), what was done with their content, and status.", "route", "treatment", "status"),
		refused:    counter("sealcar_refused_total", "Requests answered with an error of sealcar's own, by its code.", "route", "code"),
		plaintext:  counter("sealcar_plaintext_total", "Requests sent in clear because an unsafe setting allows it.", "route"),
		rotations:  counter("sealcar_rotations_total", "Requests sealed anew and sent again because the endpoint's certificate, or sealcar's own API key, had changed.", "route"),
		residue:    counter("sealcar_residue_total", "Exchanges with something in clear beside the sealed content, by where: request, request_unsafe (content that an unsafe setting lets through), reply.", "route", "where"),
		repeated:   counter("sealcar_repeated_tags_total", "Strings of replies whose ciphertext repeats one of the request, as an echo's does.", "route"),
		seal:       histogram("sealcar_seal_seconds", "Time to read, check and seal a request.", fine),
		open:       histogram("sealcar_open_seconds", "Time to find and open the sealed strings of a reply, summed.", fine),
		upstream:   histogram("sealcar_upstream_seconds", "Time from a request sent to its reply's headers.", prometheus.ExponentialBuckets(5e-3, 2.5, 12)),
		streams:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "sealcar_open_streams", Help: "Event streams on their way to applications."}),
		overflowed: prometheus.NewCounter(prometheus.CounterOpts{Name: "sealcar_connections_refused_total", Help: "Connections to the data port that were over limits.connections."}),
		tunnels:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "sealcar_open_tunnels", Help: "Connections established to hosts without a route, without those that turned out to be plain HTTP."}),
		tunnelled:  counter("sealcar_tunnels_total", "Connections established to hosts without a route, by what became of them: carried, plain (carried by an unsafe setting), http (goes on as requests), refused, failed.", "result"),
		reloads:    counter("sealcar_config_reloads_total", "Reloads of the configuration, by result.", "result"),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sealcar_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	gauge := func(name, help string, value func() int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	connections := gauge("sealcar_open_connections", "Connections open on the data port, tunnels included.", func() int64 { c, _ := load(); return c })
	requests := gauge("sealcar_open_requests", "Requests in flight, tunnels not included.", func() int64 { _, r := load(); return r })
	m.registry.MustRegister(m.requests, m.refused, m.plaintext, m.rotations, m.residue, m.repeated, m.seal, m.open, m.upstream, m.streams, m.overflowed, connections, requests, m.tunnels, m.tunnelled, m.reloads, build, newCertificateCollector(now, certificates))
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})) // what a leak would show in
	return m
}

// expect shows as 0 what has not happened yet and alerts are about
// (charts/sealcar): Prometheus takes a counter that begins with 1 for one that
// never rose, and the first event would raise no alert.
func (m *metrics) expect(routes []config.Route) {
	for _, result := range []string{"ok", "error"} {
		m.reloads.WithLabelValues(result)
	}
	for _, r := range routes {
		m.plaintext.WithLabelValues(r.Name)
		for treatment, statuses := range map[exchange.Treatment][]int{
			exchange.Sealed:  {http.StatusOK, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout},
			exchange.Refused: {http.StatusBadRequest, http.StatusForbidden, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout},
		} {
			for _, status := range statuses {
				m.requests.WithLabelValues(r.Name, string(treatment), statusLabel(status))
			}
		}
	}
}

// count adds a finished request.
func (m *metrics) count(v *visit) {
	r, route := v.record, routeLabel(v.record.Route)
	m.requests.WithLabelValues(route, string(r.Treatment), statusLabel(v.status())).Inc()
	if v.refusal != nil {
		m.refused.WithLabelValues(route, v.refusal.Code).Inc()
	}
	if r.Treatment == exchange.Plaintext {
		m.plaintext.WithLabelValues(route).Inc()
	}
	if r.Retried {
		m.rotations.WithLabelValues(route).Inc()
	}
	m.countClear(r, route)
	if v.streaming {
		m.streams.Dec()
	}
	if r.SealedFields > 0 {
		m.seal.WithLabelValues(route).Observe(r.Seal.Seconds())
	}
	if r.OpenedFields > 0 {
		m.open.WithLabelValues(route).Observe(r.Open.Seconds())
	}
	if r.Upstream > 0 {
		m.upstream.WithLabelValues(route).Observe(r.Upstream.Seconds())
	}
}

// countClear counts what was in clear beside the sealed content of an exchange.
func (m *metrics) countClear(r *exchange.Record, route string) {
	if r.ResidueCount > 0 && r.Treatment != exchange.Refused {
		where := "request"
		if r.UnsafeResidue {
			where = "request_unsafe"
		}
		m.residue.WithLabelValues(route, where).Inc()
	}
	if len(r.ReplyResidue) > 0 {
		m.residue.WithLabelValues(route, "reply").Inc()
	}
	m.repeated.WithLabelValues(route).Add(float64(r.RepeatedTags))
}

func (m *metrics) reloaded(err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.reloads.WithLabelValues(result).Inc()
}

func routeLabel(route string) string {
	if route == "" {
		return "none"
	}
	return route
}

// statusLabel keeps an upstream from inventing series: it may send any number.
func statusLabel(status int) string {
	if http.StatusText(status) == "" && status != statusClientGone {
		return "other"
	}
	return strconv.Itoa(status)
}

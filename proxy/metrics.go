package proxy

import (
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sealcar/exchange"
)

// maxCertificateSeries bounds the certificates shown per route: models are
// named by applications.
const maxCertificateSeries = 100

// metrics are everything /metrics shows. Labels take only values from the
// configuration or from fixed sets, so that no request can add a series; the
// exception are certificates, which are capped.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.CounterVec
	refused   *prometheus.CounterVec
	plaintext *prometheus.CounterVec
	rotations *prometheus.CounterVec
	seal      *prometheus.HistogramVec
	open      *prometheus.HistogramVec
	upstream  *prometheus.HistogramVec
	streams   prometheus.Gauge
	tunnels   prometheus.Gauge
	tunnelled *prometheus.CounterVec
	reloads   *prometheus.CounterVec
}

func newMetrics(version string, now func() time.Time, certificates func() []routeCertificate) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"route"})
	}
	fine := prometheus.ExponentialBuckets(25e-6, 4, 10) // 25 µs to 6.5 s
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		requests:  counter("sealcar_requests_total", "Requests, by route (none: hosts without one), what was done with their content, and status.", "route", "treatment", "status"),
		refused:   counter("sealcar_refused_total", "Requests answered with an error of sealcar's own, by its code.", "route", "code"),
		plaintext: counter("sealcar_plaintext_total", "Requests sent in clear because an unsafe setting allows it.", "route"),
		rotations: counter("sealcar_rotations_total", "Requests sealed anew and sent again because the endpoint's certificate, or sealcar's own API key, had changed.", "route"),
		seal:      histogram("sealcar_seal_seconds", "Time to read, check and seal a request.", fine),
		open:      histogram("sealcar_open_seconds", "Time to find and open the sealed strings of a reply, summed.", fine),
		upstream:  histogram("sealcar_upstream_seconds", "Time from a request sent to its reply's headers.", prometheus.ExponentialBuckets(5e-3, 2.5, 12)),
		streams:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "sealcar_open_streams", Help: "Event streams on their way to applications."}),
		tunnels:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "sealcar_open_tunnels", Help: "Connections established to hosts without a route, without those that turned out to be plain HTTP."}),
		tunnelled: counter("sealcar_tunnels_total", "Connections established to hosts without a route, by what became of them: carried, http (goes on as requests), refused, failed.", "result"),
		reloads:   counter("sealcar_config_reloads_total", "Reloads of the configuration, by result.", "result"),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "sealcar_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.refused, m.plaintext, m.rotations, m.seal, m.open, m.upstream, m.streams, m.tunnels, m.tunnelled, m.reloads, build, newCertificateCollector(now, certificates))
	return m
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

// routeCertificate is a certificate in the cache of a route's protocol.
type routeCertificate struct {
	route string
	CertificateState
}

// certificates are those of every route in force: the first by model, at most
// maxCertificateSeries each, so that the same ones are shown each time.
func (p *Proxy) certificates() []routeCertificate {
	t := p.acquire()
	if t == nil {
		return nil
	}
	defer p.release(t)
	var all []routeCertificate
	for _, r := range t.routes {
		if r.protocol.Certificates == nil {
			continue
		}
		states := slices.SortedFunc(slices.Values(r.protocol.Certificates()), func(a, b CertificateState) int { return strings.Compare(a.Model, b.Model) })
		for _, s := range states[:min(len(states), maxCertificateSeries)] {
			s.Model = strings.ToValidUTF8(clip(s.Model), "\uFFFD")
			all = append(all, routeCertificate{r.Name, s})
		}
	}
	return all
}

// certificateCollector reads the certificates when it is asked for metrics.
type certificateCollector struct {
	notAfter, age *prometheus.Desc
	now           func() time.Time
	certificates  func() []routeCertificate
}

func newCertificateCollector(now func() time.Time, certificates func() []routeCertificate) *certificateCollector {
	labels := []string{"route", "model"}
	return &certificateCollector{
		notAfter:     prometheus.NewDesc("sealcar_certificate_not_after_seconds", "When an endpoint certificate expires, in Unix time.", labels, nil),
		age:          prometheus.NewDesc("sealcar_certificate_age_seconds", "Time since an endpoint certificate was fetched.", labels, nil),
		now:          now,
		certificates: certificates,
	}
}

// Describe tells the fixed part of the series.
func (c *certificateCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.notAfter
	descs <- c.age
}

// Collect tells the series of each certificate, once per route and model.
func (c *certificateCollector) Collect(metrics chan<- prometheus.Metric) {
	type series struct{ route, model string }
	seen := make(map[series]bool)
	for _, s := range c.certificates() {
		if seen[series{s.route, s.Model}] {
			continue
		}
		seen[series{s.route, s.Model}] = true
		metrics <- prometheus.MustNewConstMetric(c.notAfter, prometheus.GaugeValue, float64(s.NotAfter.Unix()), s.route, s.Model)
		metrics <- prometheus.MustNewConstMetric(c.age, prometheus.GaugeValue, c.now().Sub(s.Fetched).Seconds(), s.route, s.Model)
	}
}

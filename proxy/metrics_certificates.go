package proxy

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxCertificateSeries bounds the certificates shown per route: models are
// named by applications.
const maxCertificateSeries = 100

// routeCertificates is what a route's protocol has in its cache.
type routeCertificates struct {
	route  string
	states []CertificateState
	counts CertificateCounts
}

// certificates are those of every route in force.
func (p *Proxy) certificates() []routeCertificates {
	t := p.acquire()
	if t == nil {
		return nil
	}
	defer p.release(t)
	var all []routeCertificates
	for _, r := range t.routes {
		c := routeCertificates{route: r.Name, states: r.certificates()}
		if r.protocol.CertificateCounts != nil {
			c.counts = r.protocol.CertificateCounts()
		}
		all = append(all, c)
	}
	return all
}

// certificates are the first by model and host, at most maxCertificateSeries, so
// that the same ones are shown each time, with names that are fit to be shown.
func (r *route) certificates() []CertificateState {
	if r.protocol.Certificates == nil {
		return nil
	}
	states := slices.SortedFunc(slices.Values(r.protocol.Certificates()), func(a, b CertificateState) int {
		return cmp.Or(strings.Compare(a.Model, b.Model), strings.Compare(a.Host, b.Host))
	})
	states = states[:min(len(states), maxCertificateSeries)]
	for i := range states {
		states[i].Model = strings.ToValidUTF8(clip(states[i].Model), "\uFFFD")
	}
	return states
}

// certificateCollector reads the certificates when it is asked for metrics.
type certificateCollector struct {
	info, notAfter, age, stale, revocation, fetches, evictions *prometheus.Desc

	now          func() time.Time
	certificates func() []routeCertificates
}

func newCertificateCollector(now func() time.Time, certificates func() []routeCertificates) *certificateCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sealcar_certificate_"+name, help, append([]string{"route"}, labels...), nil)
	}
	return &certificateCollector{
		info:         desc("info", "Always 1; the labels tell who an endpoint certificate is.", "model", "host", "source", "serial", "spki"),
		notAfter:     desc("not_after_seconds", "When an endpoint certificate expires, in Unix time.", "model", "host"),
		age:          desc("age_seconds", "Time since an endpoint certificate was fetched.", "model", "host"),
		stale:        desc("stale", "1 if an endpoint certificate is older than max_age, for it could not be renewed.", "model", "host"),
		revocation:   desc("revocation", "Always 1; state says what is known about the revocation of an endpoint certificate: good, revoked, unknown.", "model", "host", "state"),
		fetches:      desc("fetches_total", "Fetches of endpoint certificates since the configuration was loaded, by result.", "result"),
		evictions:    desc("evictions_total", "Endpoint certificates that had to leave memory for others since the configuration was loaded."),
		now:          now,
		certificates: certificates,
	}
}

// Describe tells the fixed part of the series.
func (c *certificateCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.info, c.notAfter, c.age, c.stale, c.revocation, c.fetches, c.evictions} {
		descs <- d
	}
}

// Collect tells the series of each certificate, once per route, model and host.
func (c *certificateCollector) Collect(metrics chan<- prometheus.Metric) {
	for _, r := range c.certificates() {
		counter := func(d *prometheus.Desc, n uint64, labels ...string) {
			metrics <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), append([]string{r.route}, labels...)...)
		}
		counter(c.fetches, r.counts.Fetched, "ok")
		counter(c.fetches, r.counts.Failed, "error")
		counter(c.evictions, r.counts.Evicted)
		seen := make(map[[2]string]bool)
		for _, s := range r.states {
			if series := [2]string{s.Model, s.Host}; !seen[series] {
				seen[series] = true
				c.collect(metrics, r.route, s)
			}
		}
	}
}

func (c *certificateCollector) collect(metrics chan<- prometheus.Metric, route string, s CertificateState) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{route, s.Model, s.Host}, labels...)...)
	}
	var stale float64
	if s.Stale {
		stale = 1
	}
	gauge(c.info, 1, s.Source, s.Serial, s.SPKI)
	gauge(c.notAfter, float64(s.NotAfter.Unix()))
	gauge(c.age, c.now().Sub(s.Fetched).Seconds())
	gauge(c.stale, stale)
	if s.Revocation != "" {
		gauge(c.revocation, 1, s.Revocation)
	}
}

package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"sealcar/config"
)

// stopGrace is how long Run waits for requests that have been cut: they only
// need to notice.
const stopGrace = 5 * time.Second

var errDrained = errors.New("cut at the end of timeouts.drain")

// Run serves until ctx ends. Then it drains: no new connections, /readyz says
// 503, CONNECTs without a request are closed, open requests and tunnels have
// timeouts.drain to end before they are cut. It returns nil after a clean end,
// also when requests were cut.
func (p *Proxy) Run(ctx context.Context) error {
	defer p.cut(nil)
	failed := make(chan error, 4)
	var servers sync.WaitGroup
	serve := func(how func(net.Listener) error, l net.Listener) {
		servers.Go(func() {
			if err := how(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serving %s: %w", l.Addr(), err)
			}
		})
	}
	admin := p.newAdmin()
	if p.admin != nil {
		serve(admin.Serve, p.admin) // ends with admin.Close
	}
	serve(p.servers.dataPort(p.tls != nil), p.dataListener()) // these end with shutdown
	serve(p.servers.clear, p.inner)
	serve(p.servers.opened, p.inside)
	p.serving.Store(true)
	limits := p.options.Config.Limits
	serving := p.log.Info().Stringer("listen", p.Addr()).
		Int("connections", limits.Connections).Int("requests", limits.Requests).Int64("buffered_bytes", int64(limits.BufferedBytes))
	if p.admin != nil {
		serving.Stringer("admin", p.AdminAddr())
	}
	serving.Msg("serving")
	p.warnUnsafe(p.options.Config)

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	p.serving.Store(false)
	err = errors.Join(err, p.drain(context.WithoutCancel(ctx)))
	_ = admin.Close() // it served probes and metrics until now; nothing of it is worth waiting for
	servers.Wait()
	p.listener.Wait()
	if p.admin != nil {
		p.admin.Wait()
	}
	return err
}

// drain ends all requests, gently until timeouts.drain has passed.
func (p *Proxy) drain(ctx context.Context) error {
	p.stopTaking()
	ctx, cancel := context.WithTimeout(ctx, p.current().Timeouts.Drain)
	defer cancel()
	_ = p.servers.shutdown(ctx) // fails with the end of ctx alone: what is open then is cut
	_ = p.replace(nil)          // nobody else stops it, so it was not stopped
	ended := make(chan struct{})
	go func() { // ends with the last request
		p.tables.Wait()
		close(ended)
	}()
	select {
	case <-ended: // tunnels and upgraded connections too, which Shutdown does not know
	case <-ctx.Done():
	}
	p.cut(errDrained)
	p.servers.close()
	select {
	case <-ended:
		p.log.Info().Msg("stopped")
		return nil
	case <-time.After(stopGrace):
		return errors.New("requests did not end after they were cut")
	}
}

// Reload puts c in force for requests to come; those on their way keep what
// they started with. On an error the old configuration stays whole. What
// keepUntilRestart keeps needs a restart: a change of that is logged, the rest
// applies.
func (p *Proxy) Reload(c *config.Config) (err error) {
	defer func() {
		if err != nil {
			p.ReloadFailed(err)
		}
	}()
	kept, waiting := keepUntilRestart(p.options.Config, c.Fit(p.options.Machine))
	t, err := p.newTable(kept)
	if err != nil {
		return fmt.Errorf("reloading: %w", err)
	}
	if err := p.replace(t); err != nil {
		t.close()
		return fmt.Errorf("reloading: %w", err)
	}
	p.outdated.Store(false)
	p.metrics.reloaded(nil)
	p.metrics.expect(kept.Routes)
	p.log.Info().Msg("the new configuration is in force")
	p.warnUnsafe(kept)
	if len(waiting) > 0 {
		p.log.Warn().Str("settings", strings.Join(waiting, ", ")).Msg("changed settings need a restart; the rest of the configuration is in force")
	}
	return nil
}

// ReloadFailed logs and counts a new configuration that is not used, be it that
// it could not even be loaded.
func (p *Proxy) ReloadFailed(err error) {
	p.outdated.Store(true)
	p.metrics.reloaded(err)
	p.log.Error().Err(err).Msg("the new configuration is not used; the old one stays in force")
}

// warnUnsafe names every setting that lets something leave or be taken in clear.
func (p *Proxy) warnUnsafe(c *config.Config) {
	for _, setting := range c.Unsafe() {
		p.log.Warn().Str("setting", setting).Msg("an unsafe setting is on")
	}
}

// current is the configuration in force, or the last one once stopped.
func (p *Proxy) current() *config.Config {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.table == nil {
		return p.options.Config
	}
	return p.table.config
}

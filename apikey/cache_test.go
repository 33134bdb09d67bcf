package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/apikey"
)

const week = 168 * time.Hour

// mint issues keys sk-1, sk-2, … that last for life, or fails with err.
type mint struct {
	life   time.Duration
	delay  time.Duration
	mu     sync.Mutex
	err    error
	issued []apikey.Resource
}

func (m *mint) issue(ctx context.Context, r apikey.Resource) (apikey.Key, error) {
	select {
	case <-ctx.Done():
		return apikey.Key{}, ctx.Err()
	case <-time.After(m.delay):
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.issued = append(m.issued, r)
	return apikey.Key{Value: fmt.Sprint("sk-", len(m.issued)), Expires: time.Now().Add(m.life)}, m.err
}

func (m *mint) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *mint) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.issued)
}

// bubble runs a test on a clock of its own.
func bubble(t *testing.T, c apikey.CacheConfig, m *mint, f func(t *testing.T, c *apikey.Cache)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c.Issue = m.issue
		cache := apikey.NewCache(c)
		defer cache.Close()
		f(t, cache)
	})
}

func want(t *testing.T, c *apikey.Cache, model, want string) {
	t.Helper()
	if got, err := c.Credential(t.Context(), model); err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestAKeyIsAskedForOnceHoweverManyWait(t *testing.T) {
	t.Parallel()
	m := &mint{life: week, delay: time.Second}
	bubble(t, apikey.CacheConfig{}, m, func(t *testing.T, c *apikey.Cache) {
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { want(t, c, "ep-1", "sk-1") })
		}
		wg.Wait()
		want(t, c, "ep-1", "sk-1")
		want(t, c, "bot-1", "sk-2")
	})
	if len(m.issued) != 2 || m.issued[1] != (apikey.Resource{Type: "bot", ID: "bot-1"}) {
		t.Errorf("issued %v", m.issued)
	}
}

func TestRenewalNeverCostsARequestBeforeTheMandatoryTime(t *testing.T) {
	t.Parallel()
	m := &mint{life: week, delay: time.Minute}
	bubble(t, apikey.CacheConfig{Timeout: time.Hour}, m, func(t *testing.T, c *apikey.Cache) {
		want(t, c, "ep-1", "sk-1")
		time.Sleep(week - 30*time.Minute - time.Minute) // a minute went by for the first
		at := time.Now()
		want(t, c, "ep-1", "sk-1")
		if m.count() != 1 {
			t.Error("renewed before the advisory time")
		}
		time.Sleep(time.Minute)
		want(t, c, "ep-1", "sk-1")
		if waited := time.Since(at) - time.Minute; waited != 0 {
			t.Errorf("a request waited %v", waited)
		}
		time.Sleep(2 * time.Minute)
		want(t, c, "ep-1", "sk-2")
	})
}

func TestAfterTheMandatoryTimeRequestsWaitForANewKey(t *testing.T) {
	t.Parallel()
	m := &mint{life: week, delay: time.Second}
	bubble(t, apikey.CacheConfig{}, m, func(t *testing.T, c *apikey.Cache) {
		want(t, c, "ep-1", "sk-1")
		time.Sleep(week - 10*time.Minute)
		want(t, c, "ep-1", "sk-2")
		if m.count() != 2 {
			t.Errorf("issued %d", m.count())
		}
	})
}

func TestAnOutageCostsNothingUntilTheKeyExpires(t *testing.T) {
	t.Parallel()
	m := &mint{life: week}
	var reports atomic.Int64
	report := func(err error) {
		if !strings.Contains(err.Error(), "serves on until") || strings.Contains(err.Error(), "sk-") {
			t.Errorf("report %v", err)
		}
		reports.Add(1)
	}
	outage := errors.New("outage")
	bubble(t, apikey.CacheConfig{Report: report}, m, func(t *testing.T, c *apikey.Cache) {
		want(t, c, "ep-1", "sk-1")
		m.fail(outage)
		time.Sleep(week - 30*time.Minute)
		for range 30 * 60 / 10 { // a request every ten seconds
			want(t, c, "ep-1", "sk-1")
			time.Sleep(10 * time.Second)
		}
		asked := m.count() - 1
		if asked < 20 || asked > 70 {
			t.Errorf("asked %d times in half an hour, want about every 30 s", asked)
		}
		if int(reports.Load()) != asked {
			t.Errorf("%d reports of %d failures", reports.Load(), asked)
		}
		time.Sleep(31 * time.Second)
		if got, err := c.Credential(t.Context(), "ep-1"); !errors.Is(err, outage) || got != "" {
			t.Errorf("an expired key: got %q, %v", got, err)
		}
		m.fail(nil)
		time.Sleep(31 * time.Second)
		want(t, c, "ep-1", fmt.Sprint("sk-", m.count()+1))
	})
}

func TestFailuresAreNotHammered(t *testing.T) {
	t.Parallel()
	m := &mint{life: week}
	bubble(t, apikey.CacheConfig{}, m, func(t *testing.T, c *apikey.Cache) {
		m.fail(errors.New("refused"))
		for range 1000 {
			if _, err := c.Credential(t.Context(), "ep-1"); err == nil || err.Error() != "refused" {
				t.Errorf("got %v", err)
			}
			time.Sleep(time.Millisecond)
		}
		if m.count() > 2 {
			t.Errorf("asked %d times in a second", m.count())
		}
	})
}

// A success ends a row of failures: the next one waits as the first did.
func TestASuccessBeginsTheWaitsAnew(t *testing.T) {
	t.Parallel()
	m := &mint{life: time.Nanosecond}
	bubble(t, apikey.CacheConfig{}, m, func(t *testing.T, c *apikey.Cache) {
		fails := func(wait time.Duration) {
			t.Helper()
			m.fail(errors.New("down"))
			before := m.count() + 1
			if _, err := c.Credential(t.Context(), "ep-1"); err == nil || m.count() != before {
				t.Errorf("got %v after %d calls, want %d", err, m.count(), before)
			}
			m.fail(nil)
			time.Sleep(wait - time.Nanosecond)
			_, _ = c.Credential(t.Context(), "ep-1")
			if n := m.count(); n != before {
				t.Errorf("asked again before %v", wait)
			}
			time.Sleep(time.Nanosecond)
		}
		fails(time.Second)
		fails(2 * time.Second)
		_, _ = c.Credential(t.Context(), "ep-1") // it gets a key, which has expired by the next time
		time.Sleep(time.Nanosecond)
		fails(time.Second)
		fails(2 * time.Second)
	})
}

// An entry that went for want of room takes nothing with it of what has failed.
func TestAFailureIsRememberedThoughItsEntryIsNot(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	m := &mint{life: week, err: down}
	bubble(t, apikey.CacheConfig{Size: 2}, m, func(t *testing.T, c *apikey.Cache) {
		if _, err := c.Credential(t.Context(), "ep-1"); !errors.Is(err, down) {
			t.Errorf("got %v", err)
		}
		m.fail(nil)
		want(t, c, "ep-2", "sk-2")
		want(t, c, "ep-3", "sk-3") // ep-1 goes
		if _, err := c.Credential(t.Context(), "ep-1"); !errors.Is(err, down) || m.count() != 3 {
			t.Errorf("got %v after %d calls", err, m.count())
		}
	})
}

func TestKeysOfShortLifeAreNotAskedForAllTheTime(t *testing.T) {
	t.Parallel()
	m := &mint{life: 6 * time.Minute, delay: time.Second}
	bubble(t, apikey.CacheConfig{}, m, func(t *testing.T, c *apikey.Cache) {
		start := time.Now()
		for range 60 {
			if _, err := c.Credential(t.Context(), "ep-1"); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Minute)
		}
		if waited := time.Since(start) - time.Hour; waited != time.Second {
			t.Errorf("requests waited %v, want the first alone, a second", waited)
		}
		if n := m.count(); n > 21 {
			t.Errorf("asked %d times in an hour, want every 3 min", n)
		}
	})
}

func TestJitterSpreadsTheAdvisoryTime(t *testing.T) {
	t.Parallel()
	m := &mint{life: week}
	bubble(t, apikey.CacheConfig{Jitter: func() float64 { return 0.5 }}, m, func(t *testing.T, c *apikey.Cache) {
		want(t, c, "ep-1", "sk-1")
		time.Sleep(week - 30*time.Minute - 151*time.Second)
		want(t, c, "ep-1", "sk-1")
		time.Sleep(time.Second)
		want(t, c, "ep-1", "sk-1") // begins the renewal
		synctest.Wait()
		want(t, c, "ep-1", "sk-2")
	})
}

func TestAWaiterThatGivesUpLeavesTheCallToTheOthers(t *testing.T) {
	t.Parallel()
	m := &mint{life: week, delay: time.Second}
	bubble(t, apikey.CacheConfig{}, m, func(t *testing.T, c *apikey.Cache) {
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error)
		go func() {
			_, err := c.Credential(ctx, "ep-1")
			gone <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		want(t, c, "ep-1", "sk-1")
	})
}

func TestACallIsBoundedInTime(t *testing.T) {
	t.Parallel()
	bubble(t, apikey.CacheConfig{Timeout: time.Second}, &mint{delay: time.Hour}, func(t *testing.T, c *apikey.Cache) {
		start := time.Now()
		if _, err := c.Credential(t.Context(), "ep-1"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	m := &mint{life: week}
	bubble(t, apikey.CacheConfig{Size: 2}, m, func(t *testing.T, c *apikey.Cache) {
		want(t, c, "ep-1", "sk-1")
		want(t, c, "ep-2", "sk-2")
		want(t, c, "ep-1", "sk-1")
		want(t, c, "ep-3", "sk-3") // ep-2 goes
		want(t, c, "ep-1", "sk-1")
		want(t, c, "ep-2", "sk-4")
		_, err := c.Credential(t.Context(), strings.Repeat("m", 257))
		wantCode(t, err, 400, "invalid_model")
	})
}

func TestARequestWithoutAModelGetsTheKeyUsedLast(t *testing.T) {
	t.Parallel()
	bubble(t, apikey.CacheConfig{}, &mint{life: week}, func(t *testing.T, c *apikey.Cache) {
		want(t, c, "", "")
		want(t, c, "ep-1", "sk-1")
		want(t, c, "ep-2", "sk-2")
		want(t, c, "", "sk-2")
		want(t, c, "ep-1", "sk-1")
		want(t, c, "", "sk-1")
		time.Sleep(week)
		want(t, c, "", "")
	})
}

func TestAKeyThatIsRefusedIsReplacedOnce(t *testing.T) {
	t.Parallel()
	m := &mint{life: week, delay: time.Second}
	bubble(t, apikey.CacheConfig{}, m, func(t *testing.T, c *apikey.Cache) {
		renew := func(stale, want string) {
			t.Helper()
			if key, changed, err := c.Renew(t.Context(), "ep-1", stale); err != nil || key != want || changed != (want != stale) {
				t.Errorf("got %q, %t, %v; want %q", key, changed, err, want)
			}
		}
		want(t, c, "ep-1", "sk-1")
		renew("sk-1", "sk-1") // quite new: it is not the reason
		time.Sleep(time.Minute)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { renew("sk-1", "sk-2") })
		}
		wg.Wait()
		renew("sk-1", "sk-2")
		for range 100 { // refused again and again
			renew("sk-2", "sk-2")
		}
		if m.count() != 2 {
			t.Errorf("issued %d keys, want 2", m.count())
		}
		time.Sleep(time.Minute)
		renew("sk-1", "sk-2") // a late one
		if m.count() != 2 {
			t.Errorf("issued %d keys, want 2", m.count())
		}
		m.fail(errors.New("outage"))
		renew("sk-2", "sk-2") // it may be good after all
		renew("sk-2", "sk-2")
		if m.count() != 3 {
			t.Errorf("asked %d times, want no more than once during an outage", m.count())
		}
		m.fail(nil)
		time.Sleep(time.Second)
		renew("sk-2", "sk-4")
	})
}

func TestCloseEndsRunningCalls(t *testing.T) {
	t.Parallel()
	bubble(t, apikey.CacheConfig{Timeout: time.Hour}, &mint{life: week, delay: time.Minute}, func(t *testing.T, c *apikey.Cache) {
		waiting := make(chan error)
		go func() {
			_, err := c.Credential(t.Context(), "ep-1")
			waiting <- err
		}()
		synctest.Wait()
		c.Close()
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		_, err := c.Credential(t.Context(), "ep-2")
		wantCode(t, err, 503, "api_key_unavailable")
	})
}

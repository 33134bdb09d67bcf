package netguard_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"

	"sealcar/netguard"
)

func TestT44_AddressesThatAreNotPublic(t *testing.T) {
	t.Parallel()
	const public, private, never = netguard.Public, netguard.Private, netguard.Any
	for addr, want := range map[string]netguard.Reach{
		"1.1.1.1": public, "223.255.255.254": public, "100.63.255.255": public, "2606:4700::1111": public, "64:ff9b::101:101": public, "::ffff:1.1.1.1": public,
		"10.0.0.1": private, "172.16.0.1": private, "192.168.1.1": private, "127.0.0.1": private, "127.255.0.1": private,
		"100.64.0.1": private, "100.127.255.255": private, "198.18.0.1": private,
		"::1": private, "fd00::1": private, "fc00::1": private, "fec0::1": private, "64:ff9b:1::1": private,
		"64:ff9b::a00:1": private, "::ffff:10.0.0.1": private, "::ffff:127.0.0.1": private, "::ffff:100.64.0.1": private,
		"0.0.0.0": never, "::": never, "169.254.169.254": never, "169.254.0.1": never, "fe80::1": never, "fe80::1%eth0": never,
		"224.0.0.1": never, "ff02::1": never, "255.255.255.255": never, "240.0.0.1": never, "192.0.0.192": never, "192.88.99.1": never,
		"100.100.100.200": never, "100.96.0.96": never, "168.63.129.16": never, "fd00:ec2::254": never, "fd20:ce::254": never,
		"64:ff9b::a9fe:a9fe": never, "::ffff:169.254.169.254": never,
		"2002:a00:1::": never, "2001:0:a00:1::": never, "2001:20::1": never, "2001:db8::1": never, "3fff::1": never, "100::1": never,
		"192.0.2.1": never, "198.51.100.1": never, "203.0.113.1": never, "::127.0.0.1": never, "4000::1": never,
	} {
		for _, reach := range []netguard.Reach{public, private, never} {
			err := reach.Check(netip.MustParseAddr(addr))
			e, refused := errors.AsType[*netguard.AddressError](err)
			if refused != (reach < want) || refused && (e.Needs != want || !errors.Is(err, netguard.ErrRefused) || e.Error() == "") {
				t.Errorf("%s within reach %d: %v, want it to need %d", addr, reach, err, want)
			}
		}
	}
	if netguard.Private.Check(netip.Addr{}) == nil {
		t.Error("no address at all is allowed")
	}
}

// What is dialled is looked at, not what was looked up: the listener counts.
func TestT46_ControlLooksAtWhatIsDialled(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan struct{}, 2)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- struct{}{}
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	for reach, allowed := range map[netguard.Reach]bool{netguard.Public: false, netguard.Private: true} {
		c, err := (&net.Dialer{ControlContext: reach.Control}).DialContext(t.Context(), "tcp", l.Addr().String())
		if (err == nil) != allowed || err != nil && !errors.Is(err, netguard.ErrRefused) {
			t.Errorf("reach %d: %v", reach, err)
		}
		if err == nil {
			_ = c.Close()
		}
	}
	_ = l.Close()
	n := 0
	for range accepted {
		n++
	}
	if n != 1 {
		t.Errorf("%d connections arrived, want that of the wider reach alone", n)
	}
	if netguard.Any.Control(t.Context(), "tcp", "name.example:80", nil) == nil {
		t.Error("what is no address may be dialled")
	}
}

func TestT43_OddSpellingsOfAnAddress(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"127.1": true, "0": true, "2130706433": true, "0x7f.1": true, "0x7f000001": true, "0X7F.1": true, "0177.0.0.01": true, "127.0.0.01": true,
		"1.2.3": true, "1.2.3.4.5": true, "256.1.1.1": true, "name.1": true, "99999999999999999999999999": true, "0x": true, "a.0xg": false,
		"127.0.0.1": false, "1.1.1.1": false, "::1": false, "fd00::1": false, "::ffff:127.0.0.1": false, "fe80::1%1": false,
		"example.com": false, "1.example.com": false, "1x.example": false, "a1": false, "": false, "xn--1": false,
	} {
		if got := netguard.IsOddAddress(host); got != want {
			t.Errorf("%q: %t, want %t", host, got, want)
		}
	}
}

func TestASettingThatIsNoReachIsTheNarrowest(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]netguard.Reach{
		"public": netguard.Public, "private": netguard.Private, "any": netguard.Any,
		"": netguard.Public, "auto": netguard.Public, "Any": netguard.Public, "all": netguard.Public,
	} {
		if got := netguard.ReachOf(setting); got != want {
			t.Errorf("%q is %d, want %d", setting, got, want)
		}
	}
}

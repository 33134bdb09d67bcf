package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes, written as 64MiB.
type Bytes int64

// unit is one way to end a size.
type unit struct {
	suffix string
	bytes  int64
}

// units go from large to small, so that String finds the shortest form; the
// suffix B is last because every other one ends in it.
func units() []unit {
	return []unit{
		{"GiB", 1 << 30},
		{"MiB", 1 << 20},
		{"KiB", 1 << 10},
		{"GB", 1_000_000_000},
		{"MB", 1_000_000},
		{"kB", 1_000},
		{"B", 1},
	}
}

var errSize = errors.New("a size is a whole number and a unit: B, KiB, MiB, GiB, kB, MB, GB")

// ParseBytes reads a size: a whole number, then a unit (B, KiB, MiB, GiB for
// powers of 1024; kB, MB, GB for powers of 1000) with at most one space
// between. A number alone counts bytes. Signs, fractions and exponents are
// errors.
func ParseBytes(s string) (Bytes, error) {
	number, factor := s, int64(1)
	for _, u := range units() {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			number, factor = strings.TrimSuffix(rest, " "), u.bytes
			break
		}
	}
	// 63 bits, so that the sign bit stays clear; ParseUint takes no sign.
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil {
		return 0, errSize
	}
	count := int64(n)
	if count > math.MaxInt64/factor {
		return 0, errSize
	}
	return Bytes(count * factor), nil
}

// String gives the size with the largest unit of powers of 1024 that divides
// it, in the form that ParseBytes reads.
func (b Bytes) String() string {
	for _, u := range units() {
		if strings.HasSuffix(u.suffix, "iB") && b != 0 && int64(b)%u.bytes == 0 {
			return strconv.FormatInt(int64(b)/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

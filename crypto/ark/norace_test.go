//go:build !race

package ark_test

const raceEnabled = false

package command

import (
	"runtime/debug"

	"github.com/rs/zerolog"

	"sealcar/config"
	"sealcar/machine"
)

// execShare is the part of a container's memory that a sidecar of `exec` takes:
// the rest is the command's, which runs beside it.
const execShare = 0.25

// fitMachine makes the runtime keep to the container's memory and says what there
// is. A share of 0 is all of it but a reserve.
func fitMachine(p Process, share float64, log zerolog.Logger) config.Machine {
	found, err := machine.Find(machine.Options{Getenv: p.Getenv, Share: share})
	if err != nil {
		log.Warn().Err(err).Msg("the container's memory limit is not known; set GOMEMLIMIT to have sealcar keep to it")
	}
	if found.Memory > 0 {
		log.Info().Int64("memory_limit_bytes", found.Memory).Str("from", found.From).Msg("keeping to a memory limit")
	}
	return config.Machine{Memory: found.Memory, Files: found.Files}
}

// pace has the collector paced until stop. It is for when everything is made: what
// that leaves behind, most of it by the reading of the system's roots, would stay
// in memory as long as nothing is to be done, so it is given back first.
func pace(p Process, m config.Machine) (stop func()) {
	debug.FreeOSMemory()
	return machine.Pace(machine.PaceOptions{Getenv: p.Getenv, Memory: m.Memory})
}

package sidecar

import (
	"sealcar/config"
	"sealcar/crypto/ark"
)

// residuePolicy is what a route does with what cannot be sealed in requests.
func residuePolicy(c *config.Config, r config.Route) (*ark.Policy, error) {
	o := ark.PolicyOptions{Mode: mode(r.Residue), Strip: r.Strip, MaxValues: c.Limits.JSONValues}
	if r.Strict {
		o.Mode = ark.ModeRefuse
	}
	for _, e := range r.ResidueExceptions {
		o.Exceptions = append(o.Exceptions, ark.Exception{Path: e.Path, Mode: mode(e.Residue)})
	}
	return ark.NewPolicy(o)
}

func mode(residue string) ark.Mode {
	if residue == "default" {
		return ark.ModeDefault
	}
	return ark.Mode(residue)
}

func clearReply(r config.Route) ark.ClearReply {
	return ark.ClearReply{
		Refuse:                  r.Strict || r.Replies.Clear == "refuse",
		UnsafeContentFilterText: r.Replies.UnsafeContentFilterText,
	}
}

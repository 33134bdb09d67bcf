//go:build !unix

package upstream

const canPeek = false

func (c *conn) quiet() bool { return false }

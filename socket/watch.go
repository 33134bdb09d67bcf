package socket

import "errors"

// ErrNoTCP is a connection that cannot be watched.
var ErrNoTCP = errors.New("there is no TCP connection below it")

// Package livefile keeps what was read from files, and reads it again once one of
// them has changed, be it written, renamed into place, or swapped as Kubernetes
// does with a mounted Secret. Nothing runs in between: files are looked at when
// the value is asked for.
//
// Start at New; Look and State are for those who keep their value themselves. What cannot be read is refused at the start; later it is reported
// once, and whoever asks gets the last good value together with the error, to use
// the one or to heed the other.
package livefile

// Package command is sealcar's command line: one file a command, each of which
// parses its flags, wires the packages that do the work, and turns their errors
// into an exit status. Start at Main (command.go).
//
// Exit status: 0 for success, 1 for a failure, 2 for a command line that cannot
// be understood; exec passes its command's own status through.
package command

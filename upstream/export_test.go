package upstream

// For the tables of addresses, none of which a test could really dial.
var (
	CheckAddr    = checkAddr
	CheckDialled = checkDialled
)

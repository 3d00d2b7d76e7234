package catalog

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

var amountOfMemory = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?$`)

// parseMemory reads an amount of memory like 2G, 512M or 1.5GiB into bytes. The units
// count by 1024, as Slurm's do; a number without one is in bytes times unit.
func parseMemory(s string, unit float64) (int64, error) {
	m := amountOfMemory.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return 0, fmt.Errorf("%s is no amount of memory; one is for example 512M or 2G", quote(s))
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0, fmt.Errorf("%s is no amount of memory: %w", quote(s), err)
	}
	if m[2] != "" {
		unit = math.Pow(1024, float64(strings.Index("KMGT", m[2])+1))
	}
	bytes := n * unit
	const most = 1 << 50
	if bytes < 1<<20 || bytes > most {
		return 0, fmt.Errorf("%s is not between 1M and 1024T", quote(s))
	}
	return int64(bytes), nil
}

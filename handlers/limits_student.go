package handlers

import (
	"context"
	"slices"
	"strings"

	"lectern/course"
)

// networkText tells a student what their workspace reaches while work is open
// that closes its network; empty if it is open.
func (s *Site) networkText(ctx context.Context, v *visit) (string, error) {
	if !s.Bounds.Closes || v.member.ID == 0 {
		return "", nil
	}
	all, err := s.Store.MemberLimits(ctx, v.course.ID, v.member.ID, s.Now())
	if err != nil {
		return "", err
	}
	switch held := course.Together(all, course.Limits{}, course.Limits{}); held.Network {
	case course.NetworkOff:
		return "At the moment your workspace has no network: no websites, no packages.", nil
	case course.NetworkListed:
		hosts := slices.Clone(held.Lists[0])
		for _, list := range held.Lists[1:] {
			hosts = slices.DeleteFunc(hosts, func(h string) bool { return !slices.Contains(list, h) })
		}
		if len(hosts) == 0 || len(hosts) > 20 {
			return "At the moment your workspace reaches only some hosts on the internet. Ask your instructor which.", nil
		}
		return "At the moment your workspace reaches only these hosts on the internet: " + strings.Join(hosts, ", ") + ".", nil
	}
	return "", nil
}

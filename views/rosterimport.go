package views

import "strconv"

func missingText(n int) string {
	if n == 1 {
		return "1 student of the roster is not in the file, and stays."
	}
	return strconv.Itoa(n) + " students of the roster are not in the file, and stay."
}

"""The page's figures as inline SVG: pure functions from points and curves to markup, coloured by the style sheet."""

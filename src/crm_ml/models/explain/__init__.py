"""Why a score is what it is: contributions of features, and pictures of them."""

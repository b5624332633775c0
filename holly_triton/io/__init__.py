"""Files of the field: tables of localisations, images, point clouds."""
